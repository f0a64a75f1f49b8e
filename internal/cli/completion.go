package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

const completionLong = `Prints a script that lets a shell complete portrange's commands and flags.

  bash  source <(portrange completion bash)
  zsh   portrange completion zsh > "${fpath[1]}/_portrange"
  fish  portrange completion fish > ~/.config/fish/completions/portrange.fish`

func newCompletion() *cobra.Command {
	shells := []string{"bash", "zsh", "fish"}
	return &cobra.Command{
		Use:       "completion bash|zsh|fish",
		Short:     "Print a shell's completion script",
		Long:      completionLong,
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("completion: want one shell, %s", alternatives(shells))
			}
			root, out := cmd.Root(), cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			}
			return fmt.Errorf("completion: no script for %q, want %s", args[0], alternatives(shells))
		},
	}
}

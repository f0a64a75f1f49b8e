package cli

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"portrange/internal/collect"
	"portrange/internal/escape"
)

// choice is a flag that takes one of a few words.
type choice[T ~string] struct {
	value *T
	among []T
}

// choiceFlag adds a flag --name that takes one of the words, with completion.
func choiceFlag[T ~string](cmd *cobra.Command, value *T, name, usage string, among ...T) {
	cmd.Flags().Var(choice[T]{value, among}, name, usage)
	completeFlag(cmd, name, words(among))
}

// completeFlag has shells offer words for a flag that was added before.
func completeFlag(cmd *cobra.Command, name string, words []string) {
	complete := cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
	if err := cmd.RegisterFlagCompletionFunc(name, complete); err != nil {
		panic("complete --" + name + ": " + err.Error()) // only for a flag that does not exist
	}
}

// completeBy has shells offer what find finds for a flag that was added before. What it
// cannot find is not offered: a shell has no place for an error.
func completeBy(cmd *cobra.Command, name string, find func(context.Context) []string) {
	err := cmd.RegisterFlagCompletionFunc(name,
		func(cmd *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
			ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
			defer cancel()
			var offered []cobra.Completion
			for _, word := range find(ctx) {
				if word = escape.Printable(word); strings.HasPrefix(word, begun) {
					offered = append(offered, word)
				}
			}
			return offered, cobra.ShellCompDirectiveNoFileComp
		})
	if err != nil {
		panic("complete --" + name + ": " + err.Error()) // only for a flag that does not exist
	}
}

// completionTime is how long somebody waits who has pressed the tabulator key.
const completionTime = 2 * time.Second

// namespaces are what --netns takes: all, and those that have a name of one word.
func namespaces(ctx context.Context) []string {
	found, _, err := collect.Targets(ctx, collect.AllNamespaces)
	if err != nil {
		return []string{collect.AllNamespaces}
	}
	names := []string{collect.AllNamespaces}
	for _, ns := range found {
		if ref := ns.Ref(); ref != "" && !strings.ContainsAny(ref, " \t") && !slices.Contains(names, ref) {
			names = append(names, ref)
		}
	}
	return names
}

func words[T ~string](among []T) []string {
	list := make([]string, len(among))
	for i, word := range among {
		list[i] = string(word)
	}
	return list
}

// Set takes one of the words.
func (c choice[T]) Set(word string) error {
	if !slices.Contains(c.among, T(word)) {
		return errors.New("want " + alternatives(words(c.among)))
	}
	*c.value = T(word)
	return nil
}

// String is the word chosen.
func (c choice[T]) String() string {
	if c.value == nil {
		return ""
	}
	return string(*c.value)
}

// Type names the words in the help.
func (c choice[T]) Type() string { return strings.Join(words(c.among), "|") }

func alternatives(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// filled is a flag that takes a text. An empty one is refused: in a script it comes
// from a variable that is not set, and would mean that the flag is not there.
type filled struct {
	value *string
	want  string // what the text is, as in "want a name"
}

// textFlag adds a flag --name that takes a text that is not empty.
func textFlag(flags *pflag.FlagSet, value *string, name, want, usage string) {
	flags.Var(filled{value, want}, name, usage)
}

// Set takes any text that is not empty.
func (f filled) Set(text string) error {
	if text == "" {
		return errors.New("want " + f.want)
	}
	*f.value = text
	return nil
}

// String is the text.
func (f filled) String() string {
	if f.value == nil {
		return ""
	}
	return *f.value
}

// Type names the value where the usage does not.
func (filled) Type() string { return "string" }

// list is a flag that takes values with commas between them, and more each time it is
// given. An empty value is refused as by [filled]: it would let everything pass.
type list []string

// Set takes more values.
func (l *list) Set(text string) error {
	values, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil || slices.Contains(values, "") {
		return errors.New("want a value, or several with commas between them")
	}
	*l = append(*l, values...)
	return nil
}

// String is the values.
func (l *list) String() string { return strings.Join(*l, ",") }

// Type says to the shells that the flag may be given again.
func (*list) Type() string { return "stringSlice" }

// limit is a flag that takes a count, 0 for no limit.
type limit int

// Set takes a count from 0 up.
func (l *limit) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return errors.New("want a whole number from 0 up, 0 for all")
	}
	*l = limit(n)
	return nil
}

// String is the count.
func (l *limit) String() string { return strconv.Itoa(int(*l)) }

// Type names the value in the help.
func (*limit) Type() string { return "N" }

// number is a flag that takes a whole number up to most, decimal or as 0x1f.
type number struct {
	value *uint32
	most  uint32
}

// numberFlag adds a flag --name that takes a number from 0 to most.
func numberFlag(cmd *cobra.Command, value *uint32, name string, most uint32, usage string) {
	cmd.Flags().Var(number{value, most}, name, usage)
}

// Set takes a number.
func (n number) Set(text string) error {
	value, err := strconv.ParseUint(text, 0, 32)
	if err != nil || uint32(value) > n.most {
		return fmt.Errorf("want a whole number from 0 to %d", n.most)
	}
	*n.value = uint32(value)
	return nil
}

// String is the number.
func (n number) String() string {
	if n.value == nil {
		return "0"
	}
	return strconv.FormatUint(uint64(*n.value), 10)
}

// Type names the value in the help.
func (number) Type() string { return "uint32" }

package rules

import (
	"embed"
	"path"
	"slices"
	"strings"

	"portrange/internal/host"
	"portrange/internal/judge"
)

// programPages hold for each program, or language of programs, how it keeps
// connections open. What stands below the title is what an action says.
//
//go:embed programs/*.md
var programPages embed.FS

// commands are the programs whose processes have another name than their page.
var commands = map[string]string{
	"openresty": "nginx", "angie": "nginx", "tengine": "nginx", "freenginx": "nginx", "nodejs": "node", "MainThread": "node",
	"gunicorn": "python", "uwsgi": "python", "celery": "python", "uvicorn": "python",
}

// Programs are the names of the pages about programs.
func Programs() []string {
	files, _ := programPages.ReadDir("programs") // what is embedded can be read
	var names []string
	for _, file := range files {
		names = append(names, strings.TrimSuffix(file.Name(), ".md"))
	}
	return names
}

// programPage is the page with a name, empty where there is none.
func programPage(name string) string {
	page, _ := programPages.ReadFile(path.Join("programs", name+".md"))
	return string(page)
}

// programOf is the name of the page about a process, empty where there is none:
// php-fpm8.2 is php, and python3.11 python.
func programOf(process host.Process) string {
	if name, known := commands[process.Command]; known {
		return name
	}
	at := slices.IndexFunc(Programs(), func(name string) bool {
		rest, is := strings.CutPrefix(process.Command, name)
		return is && (rest == "" || !isLetter(rest[0]))
	})
	if at < 0 {
		return ""
	}
	return Programs()[at]
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// keepAliveText says how connections are kept open: in the program that has most of
// those to the same place, where there is a page about it.
func keepAliveText(users []judge.Owner) string {
	for _, user := range users {
		if name := programOf(user.Process); name != "" {
			_, below, _ := strings.Cut(programPage(name), "\n\n")
			brief, _, _ := strings.Cut(below, "\n\n")
			return "keep connections open and reuse them, in " + user.Process.String() + ": " + strings.ReplaceAll(brief, "`", "") +
				" (portrange doctor --explain " + name + ")"
		}
	}
	return "keep connections open and reuse them (HTTP keep-alive, a connection pool), or have the other side close first; " +
		"portrange doctor --explain shows how for " + strings.Join(Programs(), ", ")
}

package judge

import (
	"fmt"
	"strings"

	"portrange/internal/host"
	"portrange/internal/port"
)

// hostName is the name of the namespace to which the files of the host apply.
const hostName = "host"

// Flag is the --netns that a command needs for the namespace that ref means (see
// [host.Namespace]), with a space before it; empty for the caller's own.
func Flag(ref string) string {
	if ref == "" {
		return ""
	}
	return " --netns " + shellWord(ref)
}

// Sysctl is the command, in backquotes, that changes a setting of the namespace
// for now.
func Sysctl(ns *host.Namespace, key, value string) string {
	inside := ""
	switch {
	case ns.Ref == "":
	case ns.Ref == hostName:
		inside = "nsenter --target 1 --net "
	case strings.Contains(ns.Ref, "/"):
		inside = "nsenter --net=" + shellWord(ns.Ref) + " "
	default:
		inside = "ip netns exec " + shellWord(ns.Ref) + " "
	}
	return fmt.Sprintf("`%ssysctl -w %s=%s`", inside, key, shellWord(value))
}

// The range that advice names leaves the ports below to services, and its ends
// are of different parity.
const (
	wideLow  = 15000
	wideHigh = 64001
)

// Widen is the command, in backquotes, that gives the namespace a wider range;
// empty where it has one.
func Widen(ns *host.Namespace) string {
	now := ns.Settings.Range
	if now.Low <= wideLow && now.High >= wideHigh {
		return ""
	}
	wide := port.Range{Low: min(now.Low, wideLow), High: max(now.High, wideHigh)}
	switch {
	case !wide.SameParity():
	case wide.Low == wideLow:
		wide.Low++
	default:
		wide.High++
	}
	return fmt.Sprintf("`portrange set %v%s --reserve%s`", wide, Flag(ns.Ref), persist(ns))
}

// persist is the flag that keeps a change across a reboot, where that can be.
func persist(ns *host.Namespace) string {
	if ns.Ref == "" && ns.Name == hostName {
		return " --persist"
	}
	return ""
}

// morePorts is what gives a destination more ports, cheapest first.
func morePorts(ns *host.Namespace) string {
	const rest = "keep connections open and reuse them, or add source addresses or destination ports"
	if widen := Widen(ns); widen != "" {
		return fmt.Sprintf("widen the range (%s), %s", widen, rest)
	}
	return rest
}

// shellWord quotes a word for a shell where it needs it.
func shellWord(word string) string {
	plain := strings.IndexFunc(word, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@", r)
	}) < 0
	if plain && word != "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

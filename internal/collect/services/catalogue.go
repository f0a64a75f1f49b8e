package services

import (
	"slices"
	"strings"

	"portrange/internal/port"
)

// Daemon is a program that offers a service on fixed ports.
type Daemon struct {
	Name string
	// Units are the names that distributions and makers give to its systemd
	// service, without the suffix. A template ends in @.
	Units []string
	// Ports are the ports it takes unless configured otherwise, from 1024 up,
	// as the kernel writes lists.
	Ports string
	// Source is the page or file that documents the ports.
	Source string
}

// Set is the daemon's ports.
func (d *Daemon) Set() *port.Set {
	set, err := port.ParseSet(d.Ports)
	if err != nil {
		panic("daemon " + d.Name + ": " + err.Error()) // a test parses all of them
	}
	return set
}

// HasUnit reports whether a unit, such as postgresql@15-main.service, is one of
// the daemon's services.
func (d *Daemon) HasUnit(unit string) bool {
	name, isService := strings.CutSuffix(unit, ".service")
	if !isService {
		return false
	}
	if template, _, instantiated := strings.Cut(name, "@"); instantiated {
		name = template + "@"
	}
	return slices.Contains(d.Units, name)
}

package services

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

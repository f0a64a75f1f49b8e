// Package catalogue lists the ports that well-known daemons use unless they
// are configured otherwise.
//
// A daemon that is installed but not running shows no socket, and still wants
// its port when it starts. The list is short on purpose: daemons that Linux
// distributions or their makers package, with a fixed port from 1024 up. Each
// entry names where its ports are documented. What is configured on the host
// is not known here, nor whether a daemon is installed.
package catalogue

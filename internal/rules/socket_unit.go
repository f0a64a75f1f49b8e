package rules

import "portrange/internal/host"

// heldAtStart is what happens to a service whose port the kernel gave away.
const heldAtStart = "an outgoing connection can hold the port when it starts, which then fails with EADDRINUSE"

// socketUnit: the kernel may give away the port of a socket unit of systemd.
var socketUnit = claimRule(host.SocketUnit, "A systemd socket unit with a port in the range", heldAtStart)

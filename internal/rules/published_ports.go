package rules

import "portrange/internal/host"

// publishedPorts: the kernel may give away ports that Docker publishes.
var publishedPorts = claimRule(host.PublishedPorts, "The range overlaps ports that Docker publishes",
	"docker-proxy fails to bind a published port that an outgoing connection holds")

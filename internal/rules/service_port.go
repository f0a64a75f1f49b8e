package rules

import "portrange/internal/host"

// servicePort: the kernel may give away the usual port of an installed service.
var servicePort = claimRule(host.ServicePort, "An installed service with its port in the range", heldAtStart)

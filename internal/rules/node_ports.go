package rules

import "portrange/internal/host"

// nodePorts: the kernel may give away ports that kube-proxy takes without a socket.
var nodePorts = claimRule(host.NodePorts, "The range overlaps Kubernetes' NodePorts",
	"kube-proxy takes these ports without a listener, so an outgoing connection can get one that a service of the cluster uses, "+
		"and its answers go astray; moving the range or --service-node-port-range helps as well")

package services

import (
	"fmt"
	"slices"
	"strings"

	"portrange/internal/host"
	"portrange/internal/port"
)

// defaultNodePorts is --service-node-port-range of kube-apiserver. Since
// kube-proxy 1.21.14 nothing listens on these ports: netfilter takes what
// arrives there.
var defaultNodePorts = port.Range{Low: 30000, High: 32767}

// nodeAgents are the processes that make NodePorts work on a node, by the name
// the kernel knows them by.
var nodeAgents = []string{
	"kubelet", "kube-proxy", "kube-apiserver", "k3s", "k3s-server", "k3s-agent", "kubelite", "k0s", "rke2",
}

// kubernetes finds out whether the namespace is a node's, by its agents and by
// the rules they leave. Those of each user speak for themselves, root's come first.
func kubernetes(agents []process, nat []host.NATRules) []host.Claim {
	claims := nodePorts("", of("", agents), nat)
	others := map[string]bool{"": true}
	for _, agent := range agents {
		if !others[agent.by] {
			others[agent.by] = true
			claims = append(claims, nodePorts(agent.by, of(agent.by, agents), nil)...)
		}
	}
	return claims
}

// of are the processes on whose word somebody stands.
func of(by string, all []process) []process {
	return slices.DeleteFunc(slices.Clone(all), func(p process) bool { return p.by != by })
}

func nodePorts(by string, agents []process, nat []host.NATRules) []host.Claim {
	var seen []string
	ports := defaultNodePorts
	for _, agent := range agents {
		seen = append(seen, fmt.Sprintf("%s (pid %d) runs", agent.name, agent.PID))
		if value, found := agent.option("service-node-port-range"); found {
			if configured, err := port.ParseRange(strings.Replace(value, "-", " ", 1)); err == nil {
				ports = configured
			}
		}
	}
	for _, rule := range nat {
		// In nftables mode kube-proxy has a table of its own, in iptables mode chains.
		if rule.Table == "kube-proxy" || strings.HasPrefix(rule.Chain, "KUBE-") {
			seen = append(seen, rule.String()+" has rules")
		}
	}
	if len(seen) == 0 {
		return nil
	}
	return []host.Claim{{
		Kind: host.NodePorts, Who: "Kubernetes NodePorts", Ports: ports.Set(), By: by,
		Evidence: claimed(by, fmt.Sprintf("%s; services of type NodePort get %d-%d there, without a listening socket",
			strings.Join(seen, ", "), ports.Low, ports.High)),
	}}
}

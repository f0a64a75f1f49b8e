package survey

import (
	"context"
	"fmt"
	"strings"

	"portrange/internal/act"
	"portrange/internal/host"
	"portrange/internal/kernel/netfilter"
	"portrange/internal/kernel/netns"
	"portrange/internal/port"
)

// defaultNodePorts is --service-node-port-range of kube-apiserver. Since
// kube-proxy 1.21.14 nothing listens on these ports: netfilter takes what
// arrives there.
var defaultNodePorts = port.Range{Low: 30000, High: 32767}

// nodeAgents are the processes that make NodePorts work on a node, by the name
// the kernel knows them by.
var nodeAgents = []string{"kubelet", "kube-proxy", "kube-apiserver", "k3s", "k3s-server", "k3s-agent", "kubelite", "k0s", "rke2"}

// kubernetes finds out whether the namespace is a node's, by its agents and by
// the rules they leave.
func kubernetes(ctx context.Context, target netns.Namespace, processes []process) ([]act.Claim, []host.Gap) {
	var seen []string
	ports := defaultNodePorts
	for _, agent := range inside(target, processes, nodeAgents...) {
		seen = append(seen, fmt.Sprintf("%s (pid %d) runs", agent.name, agent.PID))
		if configured, found := nodePortRange(agent); found {
			ports = configured
		}
	}
	rules, gaps := kubernetesRules(ctx, target)
	seen = append(seen, rules...)
	if len(seen) == 0 {
		return nil, gaps
	}
	return []act.Claim{{
		Code: act.NodePorts, Who: "Kubernetes NodePorts", Ports: ports.Set(),
		Evidence: fmt.Sprintf("%s; services of type NodePort get %d-%d there, without a listening socket",
			strings.Join(seen, ", "), ports.Low, ports.High),
	}}, gaps
}

// nodePortRange reads the range from the command line of what assigns the ports.
func nodePortRange(agent process) (port.Range, bool) {
	value, found := agent.option("service-node-port-range")
	if !found {
		return port.Range{}, false
	}
	r, err := port.ParseRange(strings.Replace(value, "-", " ", 1))
	return r, err == nil
}

// kubernetesRules looks for the masquerading of kube-proxy: in nftables mode it
// has a table of its own, in iptables mode chains that begin with KUBE-.
func kubernetesRules(ctx context.Context, target netns.Namespace) (seen []string, gaps []host.Gap) {
	err := target.Do(func() error {
		var rules []host.NATRules
		rules, gaps = netfilter.SourceNAT(ctx)
		for _, rule := range rules {
			if rule.Table == "kube-proxy" || strings.HasPrefix(rule.Chain, "KUBE-") {
				seen = append(seen, rule.String()+" has rules")
			}
		}
		return nil
	})
	if err != nil {
		gaps = append(gaps, host.Gap{Part: host.PartNAT, NetNS: target.ID, Why: err.Error()})
	}
	for i := range gaps {
		gaps[i].NetNS = target.ID
	}
	return seen, gaps
}

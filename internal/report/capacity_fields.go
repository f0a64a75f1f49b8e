package report

import "slices"

func planDocument() Document {
	return Document{"plan", "One object.", slices.Concat(schemaField, planFields, simulationFields, gapFields)}
}

func livePlanDocument() Document {
	return Document{"plan --from-live", "With --from-live: one object, the tuples measured, each with its plan.", slices.Concat(schemaField, []Field{
		{"netns", "inode number of the network namespace"},
		{"name", "its name"},
		{"elapsed_seconds", "time between the first sample and the last"},
		{"samples", "how many samples were taken"},
		{"opened", "connections opened meanwhile, by the kernel's count (Tcp: ActiveOpens)"},
		{"seen", "those of them that samples show; the others began and ended between two samples, or used ports outside the range"},
		{"tuples[]", "destinations that used ports of the range, the busiest first"},
		{"tuples[].local", "local address"},
		{"tuples[].remote", "remote address:port"},
		{"tuples[].new_connections", "connections that began between the first sample and the last"},
		{"tuples[].rate", "the same per second"},
		{"tuples[].open", "connections open, on average"},
		{"tuples[].time_wait", "ports in TIME_WAIT, on average"},
		{"tuples[].hold_seconds", "how long a connection lasts on average: open / rate (Little's law); 0 where none began"},
		{"tuples[].closed_by_client", "connections that the client closed first"},
		{"tuples[].closed_by_server", "connections that the server closed first, or that were reset"},
		{"tuples[].plan", "what this load needs, with the fields of plan --json but schema_version, simulation and gaps; null where no connection began"},
	}, gapFields)}
}

func costsDocument() Document {
	return Document{"plan --probe", "With --probe: one object, the cost of connect() for each way to fill a pool.", slices.Concat(schemaField, []Field{
		{"kernel", "kernel release, as uname -r prints it"},
		{"costs[]", "one for each state of the sockets that fill the pool"},
		{"costs[].ports", "size of the pool"},
		{"costs[].fill", "established or time_wait"},
		{"costs[].steps[]", "steps of filling, in order"},
		{"costs[].steps[].from", "share of the pool in use before the step"},
		{"costs[].steps[].to", "share of the pool in use after it"},
	},
		under("costs[].steps[].", latencyFields),
		under("costs[].failing.", latencyFields),
	)}
}

var latencyFields = []Field{
	{"calls", "calls measured"},
	{"p50_us", "median in microseconds"},
	{"p90_us", "90th percentile"},
	{"p99_us", "99th percentile"},
	{"max_us", "the longest"},
}

var planFields = slices.Concat([]Field{
	{"load.rate", "new connections per second, all tuples together"},
	{"load.hold_seconds", "how long a connection is open"},
	{"load.client_closes", "share of the connections that the client closes first, 0 to 1"},
	{"load.destinations", "address:port pairs that share the load"},
	{"load.sources", "local addresses that share the load"},
	{"load.tcp_tw_reuse", "0 off, 1 on, 2 loopback only"},
	{"load.tcp_tw_reuse_delay_ms", "after so many ms without a packet a TIME_WAIT port may be taken over"},
	{"load.no_timestamps", "whether tcp_timestamps is 0, without which tcp_tw_reuse does nothing"},
	{"load.loopback", "whether the destinations are on the host itself"},
	{"pool.low", "lowest port of the range"},
	{"pool.high", "highest port, part of the range"},
	{"pool.size", "number of ports, both ends included"},
	{"pool.reserved_in_range", "reserved ports that lie in the range"},
	{"pool.bind_held", "ports of the range, not reserved, that are taken through bind()"},
	{"pool.usable", "size - reserved_in_range - bind_held"},
	{"pool.half", "usable ports of the parity that connect() tries first; beyond them it gets slow"},
	{"confidence", "probability at any one moment that needed ports are enough"},
	{"tuples", "pools that share the load: destinations x sources"},
	{"tuple_rate", "new connections per second for each"},
	{"blocked_seconds", "for how long a connection withholds its port, on average"},
	{"mean", "ports of each tuple withheld, on average"},
	{"needed", "the same with the stated confidence"},
	{"share", "needed / usable"},
	{"lost", "share of the connect() calls that find no port"},
	{"verdict", "fits (needed <= half), slow (needed <= usable) or short"},
	{"slow_rate", "largest rate, all tuples together, with needed <= half"},
	{"wall_rate", "largest rate with needed <= usable"},
	{"also.open_sockets", "sockets the client has open, on average"},
	{"also.time_wait", "sockets in TIME_WAIT, unless tcp_tw_reuse takes them over before"},
	{"levers[]", "what would do, each alone and all else as planned; none where the load fits"},
	{"levers[].lever", "range, tcp_tw_reuse, keep-alive (requests per connection), sources, destinations or closes"},
	{"levers[].now", "planned value"},
	{"levers[].note", "what the lever means and what it asks for"},
	{"levers[].to_fit", "least change with which ports are enough; null where they are"},
},
	under("levers[].to_fit.", changeFields),
	[]Field{{"levers[].to_stay_fast", "least change with which needed <= half"}},
	under("levers[].to_stay_fast.", changeFields),
)

var changeFields = []Field{
	{"possible", "whether any value does"},
	{"value", "the least that does, else the nearest to it; absent where the lever changes nothing"},
	{"needed", "ports each tuple then needs"},
	{"share", "needed / the ports each tuple then has"},
	{"reserve", "listeners in the new range to be reserved before, in the kernel's form; absent for none"},
}

var simulationFields = slices.Concat([]Field{
	{"simulation", "the load run on this kernel; absent without --simulate"},
	{"simulation.run.time_scale", "simulated / planned time"},
	{"simulation.run.port_scale", "simulated / planned ports"},
	{"simulation.run.tuples", "tuples simulated"},
	{"simulation.run.tuple_rate", "new connections per second for each"},
	{"simulation.run.hold_seconds", "how long a connection is open"},
	{"simulation.run.lingers_seconds", "for how long its port is withheld thereafter"},
	{"simulation.run.low", "lowest port of the simulated range"},
	{"simulation.run.high", "highest port"},
	{"simulation.run.usable", "ports connect() may draw on for each tuple"},
	{"simulation.run.time_wait", "kernel (its own, with a scaled tcp_tw_reuse_delay), emulated (by connections that stay open as long) or not_needed"},
	{"simulation.predicted.peak", "most ports of a tuple withheld at once, median"},
	{"simulation.predicted.peak_low", "0.5th percentile of it"},
	{"simulation.predicted.peak_high", "99.5th percentile"},
	{"simulation.predicted.lost", "share of the connect() calls that find no port"},
	{"simulation.measured.peak", "most ports of a tuple withheld, by the kernel's list of sockets"},
	{"simulation.measured.looks", "how often that list was read"},
	{"simulation.measured.calls", "connect() calls"},
	{"simulation.measured.failed", "those that found no port (EADDRNOTAVAIL)"},
	{"simulation.measured.lost", "failed / calls"},
	{"simulation.measured.pace", "planned / taken time; below 1 the machine was too busy, and latencies are higher for it"},
},
	under("simulation.measured.connect.", latencyFields),
	under("simulation.measured.failing.", latencyFields),
)

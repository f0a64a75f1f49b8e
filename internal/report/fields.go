package report

import (
	"fmt"
	"slices"
	"strings"
)

// Field is one field of a JSON document and its meaning. In a path, [] stands
// for each element of a list and {} for each member of an object with free names.
type Field struct {
	Path    string
	Meaning string
}

// Document describes the JSON that one command prints.
type Document struct {
	Command string
	About   string
	Fields  []Field
}

// Documents describes every document, in the order of the commands.
func Documents() []Document {
	return []Document{showDocument(), leftDocument(), socketsDocument(), summaryDocument(), doctorDocument(), checkDocument(), planDocument(), livePlanDocument(), costsDocument(),
		setDocument(), reserveDocument(), undoDocument(), confirmDocument(), bootDocument()}
}

func showDocument() Document {
	return Document{"show", "One object.", slices.Concat(
		schemaField,
		[]Field{
			{"taken_at", "when the sockets were read (RFC 3339, UTC)"},
			{"host", "host name"},
			{"kernel", "kernel release, as uname -r prints it"},
			{"namespaces[]", "the network namespaces that were read"},
		},
		under("namespaces[].", originFields),
		[]Field{
			{"namespaces[].range.low", "lowest port of ip_local_port_range"},
			{"namespaces[].range.high", "highest port, part of the range"},
			{"namespaces[].range.size", "number of ports, both ends included"},
			{"namespaces[].range.default", "whether it is the kernel's built-in range"},
			{"namespaces[].reserved", "ip_local_reserved_ports in the kernel's form; empty for none"},
			{"namespaces[].reserved_in_range", "reserved ports that lie in the range"},
			{"namespaces[].bind_held", "ports of the range, not reserved, that were taken through bind() and so are withheld from every connect()"},
			{"namespaces[].usable", "size - reserved_in_range - bind_held: the ports connect() may draw on for one destination"},
			{"namespaces[].outside_range", "connections whose port lies outside the range, not counting ports taken through bind()"},
			{"namespaces[].settings.tcp_tw_reuse", "0 off, 1 on, 2 loopback only"},
			{"namespaces[].settings.tcp_tw_reuse_delay_ms", "after so many ms without a packet a TIME_WAIT port may be taken over"},
			{"namespaces[].settings.ip_unprivileged_port_start", "first port that needs no CAP_NET_BIND_SERVICE"},
			{"namespaces[].pools[]", "TCP destinations with a port of the range in use, in the order of --sort; all of them unless --limit is given"},
		},
		under("namespaces[].pools[].", poolFields),
		under("namespaces[].", walkFields),
		[]Field{{"namespaces[].local_pools[]", "what is shared by all destinations: bind() to port 0, and UDP"}},
		under("namespaces[].local_pools[].", localPoolFields),
		[]Field{
			{"namespaces[].findings[]", "what is wrong, worst first"},
			{"namespaces[].findings[].code", "stable name of the kind of finding"},
			{"namespaces[].findings[].severity", "info, warning or critical"},
			{"namespaces[].findings[].subject", "what it is about"},
			{"namespaces[].findings[].evidence", "the numbers behind it"},
			{"namespaces[].findings[].advice", "what to do"},
		},
		gapFields,
	)}
}

func leftDocument() Document {
	return Document{"left",
		"One object, the pool. For a local pool (UDP) the fields remote, device, reusable, used_ratio, states and owners are absent. " +
			"With --netns all: {schema_version, pools[], local_pools[], gaps[]}, each element with the fields below except schema_version and gaps.",
		slices.Concat(schemaField, originFields, poolFields, gapFields)}
}

func socketsDocument() Document {
	return Document{"sockets",
		"One object, written while the sockets are read, one line for each element of sockets. Cut short, it lacks its end and does not parse.",
		slices.Concat(schemaField, []Field{
			{"sockets[]", "the sockets that hold a local port and match the filters"},
			{"sockets[].netns", "inode number of the socket's network namespace"},
			{"sockets[].name", "name of that namespace"},
			{"sockets[].proto", "tcp or udp; MPTCP subflows are tcp"},
			{"sockets[].family", "inet or inet6; an inet6 socket can carry IPv4"},
			{"sockets[].local", "local address:port, IPv4-mapped addresses as IPv4"},
			{"sockets[].remote", "remote address:port; absent without a peer"},
			{"sockets[].device", "interface the socket is bound to; absent for none"},
			{"sockets[].state", "established, syn_sent, syn_recv, fin_wait1, fin_wait2, time_wait, close, close_wait, last_ack, listen, closing, new_syn_recv or bound_inactive"},
			{"sockets[].timer", "the pending timer; absent for none"},
			{"sockets[].timer.kind", "on (retransmission), keepalive, timewait or probe (zero window)"},
			{"sockets[].timer.expires_ms", "ms until it fires"},
			{"sockets[].timer.retries", "retransmissions or probes sent so far"},
			{"sockets[].uid", "user the socket belongs to; absent where the kernel keeps none (time_wait, new_syn_recv)"},
			{"sockets[].user", "name of that user; absent where it has none"},
			{"sockets[].inode", "inode number, as in /proc/PID/fd; absent where no process can hold it"},
			{"sockets[].processes[]", "the processes that have it open, as far as could be seen"},
			{"sockets[].processes[].pid", "process id"},
			{"sockets[].processes[].command", "command name"},
		}, gapFields)}
}

func summaryDocument() Document {
	return Document{"summary", "One object.", slices.Concat(schemaField, []Field{
		{"namespaces[]", "the network namespaces that were read"},
		{"namespaces[].netns", "inode number of the network namespace"},
		{"namespaces[].name", "its name"},
		{"namespaces[].sockets", "sockets in use, of every kind"},
		{"namespaces[].tcp.total", "TCP sockets, timewait ones included"},
		{"namespaces[].tcp.established", "established or close-wait connections (Tcp: CurrEstab)"},
		{"namespaces[].tcp.closed", "TCP sockets that are in no table: neither connected nor listening"},
		{"namespaces[].tcp.orphaned", "connections no process holds any more; the kernel counts them for the whole host"},
		{"namespaces[].tcp.time_wait", "timewait sockets"},
		{"namespaces[].transports[]", "sockets in use by protocol"},
		{"namespaces[].transports[].name", "raw, udp, tcp, inet (their sum) or frag (reassembly queues)"},
		{"namespaces[].transports[].total", "ipv4 + ipv6"},
		{"namespaces[].transports[].ipv4", "over IPv4"},
		{"namespaces[].transports[].ipv6", "over IPv6"},
		{"namespaces[].ports.bound", "local TCP ports that at least one socket holds"},
		{"namespaces[].ports.in_range", "those of them in ip_local_port_range"},
		{"namespaces[].ports.range_size", "number of ports in the range"},
	}, gapFields)}
}

var schemaField = []Field{{"schema_version", "1; grows when a field changes its meaning or goes away"}}

var originFields = []Field{
	{"netns", "inode number of the network namespace"},
	{"name", "host, the name given by ip netns, or its first process"},
	{"source", "where the sockets came from: bpf or netlink"},
	{"exact", "whether the numbers are the kernel's own, error_bound aside; false where the source cannot tell"},
}

var walkFields = []Field{
	{"walk", "how the kernel's table of bind buckets was walked; absent where it was not"},
	{"walk.restarts", "how often a list of the table changed while it was read, and was read again"},
	{"walk.skipped", "sockets that were taken to be in the list of the one before them without being asked"},
}

var poolFields = []Field{
	{"proto", "tcp or udp"},
	{"local", "local address"},
	{"remote", "remote address:port"},
	{"device", "interface the sockets are bound to; absent for none"},
	{"size", "ports of the pool: usable; size = used + left - reusable"},
	{"used", "ports in use by this tuple, in the range and not reserved or bind-held"},
	{"left", "how many more connect() calls get a port"},
	{"reusable", "used ports in TIME_WAIT that connect() may take over now (tcp_tw_reuse)"},
	{"used_ratio", "used / size"},
	{"error_bound", "by how many ports left may be off: too high where exact is true, either way where it is false; absent for 0"},
	{"states{}", "used by state"},
	{"owners[]", "processes that have sockets of the pool open, most first; empty where owners were not asked for"},
	{"owners[].pid", "process id"},
	{"owners[].command", "command name"},
	{"owners[].used", "sockets of the pool it has open; a socket shared by processes counts for each"},
}

var localPoolFields = []Field{
	{"proto", "tcp or udp"},
	{"local", "local address; the unspecified one stands for all"},
	{"size", "ports in the range and not reserved; size = used + left"},
	{"used", "ports that sockets hold in the way of a new one"},
	{"left", "how many more bind() to port 0 succeed, for UDP also connect() and first sends"},
	{"error_bound", "by how many ports left may be off: too high where exact is true, either way where it is false; absent for 0"},
}

var gapFields = []Field{
	{"gaps[]", "what could not be read; numbers beside a gap can be too small"},
	{"gaps[].part", "what is missing"},
	{"gaps[].object", "what of it, such as a file; absent for the whole part"},
	{"gaps[].netns", "inode number of the network namespace; absent for the whole host"},
	{"gaps[].why", "why"},
}

func under(prefix string, fields []Field) []Field {
	nested := make([]Field, len(fields))
	for i, f := range fields {
		nested[i] = Field{prefix + f.Path, f.Meaning}
	}
	return nested
}

// Markdown is docs/json.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString(markdownHead)
	for _, document := range Documents() {
		fmt.Fprintf(&b, "\n## portrange %s --json\n\n%s\n\n| field | meaning |\n| --- | --- |\n", document.Command, document.About)
		for _, field := range document.Fields {
			fmt.Fprintf(&b, "| `%s` | %s |\n", field.Path, field.Meaning)
		}
	}
	return b.String()
}

const markdownHead = `# JSON documents

Every command prints one JSON document with ` + "`--json`" + `. Fields may be added;
what a field means does not change within one ` + "`schema_version`" + `. In a path,
` + "`[]`" + ` stands for each element of a list and ` + "`{}`" + ` for each member of an object.
The man page of each command lists the same fields, and so does
` + "`portrange help json`" + `.
`

package finding

import (
	"slices"
	"time"

	"portrange/internal/host"
	"portrange/internal/port"
)

// Kind is one kind of finding. There is one for each rule.
type Kind struct {
	// Code is the stable name, such as pool-full.
	Code string
	// Title says in a few words what is wrong.
	Title string
	// Causes are the codes of the kinds that can explain this one.
	Causes []string
	// Weight is how many ports a finding of this kind accounts for, by which the
	// causes of one effect are ordered; 0 where it is too small to explain anything.
	// A kind without it comes last.
	Weight func(f *Finding) int
	// Evidence words the values of a finding of this kind, in one sentence without
	// its subject and without a full stop.
	Evidence func(f *Finding) string
}

// Finding is one thing worth knowing.
type Finding struct {
	Kind     *Kind
	Severity Severity
	// NetNS is the inode number of the network namespace, 0 for what belongs to
	// the whole machine, and Name its name.
	NetNS   uint64
	Name    string
	Subject Subject
	Values  Values
	// Since is when it was first seen; the zero time where it was looked at once.
	Since time.Time
	// Causes are the codes of the findings that explain this one, as [Relate]
	// found them, the weightiest first. Those that another of them explains are
	// left out.
	Causes  []string
	Actions []Action
}

// Code is the code of the finding's kind.
func (f *Finding) Code() string { return f.Kind.Code }

// Evidence words the finding's values.
func (f *Finding) Evidence() string { return f.Kind.Evidence(f) }

// Subject is what a finding is about. Parts that do not apply are empty.
type Subject struct {
	Proto string `json:"proto,omitempty" doc:"tcp or udp"`
	// Local is a local address, with the device where sockets are bound to one.
	Local   string        `json:"local,omitempty" doc:"local address, with its device where sockets are bound to one"`
	Remote  string        `json:"remote,omitempty" doc:"remote address:port"`
	Process *host.Process `json:"process,omitempty" doc:"the process it is about"`
	Key     string        `json:"key,omitempty" doc:"the setting it is about"`
	Value   string        `json:"value,omitempty" doc:"value of that setting"`
	// Object is anything else: a service, a file, a command of the kernel.
	Object string `json:"object,omitempty" doc:"anything else: a service, a file, a part of the kernel"`
}

// OfPool is the subject of a pool of connect(), by its tuple.
func OfPool(proto port.Proto, local, remote string) Subject {
	return Subject{Proto: proto.String(), Local: local, Remote: remote}
}

// OfSetting is the subject of a setting and its value.
func OfSetting(key, value string) Subject { return Subject{Key: key, Value: value} }

// Of is the subject of something that is neither pool nor setting nor process.
func Of(object string) Subject { return Subject{Object: object} }

// OfProcess is the subject of a process.
func OfProcess(p host.Process) Subject { return Subject{Process: &p} }

// IsPool reports whether the subject is a pool and nothing else.
func (s Subject) IsPool() bool {
	return s.Proto != "" && s.Key == "" && s.Object == "" && s.Process == nil
}

// concerns reports whether what is said of s may explain what is said of other.
// What both name has to be alike: a finding about all of TCP concerns each
// destination, and one about a destination the pool that its local address shares
// with others. A subject that names no part of a pool is about all of the
// namespace, and only another such subject explains it.
func (s Subject) concerns(other Subject) bool {
	named, common := false, false
	for _, part := range [][2]string{{s.Proto, other.Proto}, {s.Local, other.Local}, {s.Remote, other.Remote}} {
		mine, theirs := part[0], part[1]
		if mine != "" && theirs != "" && mine != theirs {
			return false
		}
		named = named || mine != ""
		common = common || mine != "" && mine == theirs
	}
	return common || !named
}

// equal compares two subjects; the value of a setting does not count, as it may
// change while the finding stands.
func (s Subject) equal(other Subject) bool {
	process := func(p *host.Process) host.Process {
		if p == nil {
			return host.Process{}
		}
		return *p
	}
	return s.Proto == other.Proto && s.Local == other.Local && s.Remote == other.Remote && s.Key == other.Key &&
		s.Object == other.Object && process(s.Process) == process(other.Process)
}

// Sort puts the worst first and keeps the order of equals.
func Sort(findings []Finding) {
	slices.SortStableFunc(findings, func(a, b Finding) int { return CompareSeverity(a.Severity, b.Severity) })
}

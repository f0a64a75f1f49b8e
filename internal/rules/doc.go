// Package rules is the only list of what can be wrong with how a host hands out
// local ports, or soon will be: one file and one page for each rule.
//
// A [Rule] has a kind with its words, says what it needs to have been read, and
// looks at [Facts]: one look at the host, or two, and what the files say of the
// next boot. Or it looks at a change before it is made. What was not read makes
// no finding. A new rule is a file, a page of the same name, and its name in
// [All].
//
// [Examine] runs them all and relates what they find: a finding gets its advice
// from its cause. Each action that a rule proposes says what it will do to the
// pool, as package capacity predicts it from the numbers of this host.
//
// The package refuses to know how facts are read and how findings are printed.
package rules

// Package boot tells which value a setting will hold after a reboot, and which
// line of which file says so.
//
// Nothing in a sysctl.d tree can be read off one file. Two programs read the
// same directories by different rules, systemd-sysctl and procps's
// "sysctl --system", and tuned may come afterwards and undo both. A file hides
// others of its name; a key is written with dots or with slashes, through a
// glob, or taken back by a line that only excludes it; and the kernel refuses
// values, also for what another key holds at that moment, so that an earlier
// line decides after all. Each program is therefore played through: its own
// way of finding files, splitting lines and ordering writes, against a model
// of what the kernel's handlers do with the bytes. The rules are those of
// systemd 252 (src/sysctl/sysctl.c, src/basic/conf-files.c), procps-ng 4.0.2
// (src/sysctl.c, local/procio.c) and tuned 2.20 (plugins/plugin_sysctl.py); a
// test runs the first two on random trees and holds them against the forecast.
//
// [Read] takes a tree into memory, [Tree.Report] gives the forecast, and
// [Tree.Conflicts] tells what would override a drop-in that is not there yet.
//
// The package only reads. It runs no program, writes nothing, and never asks
// the running kernel: what holds now is told by the caller. It knows nothing of
// other hands that set values late, such as scripts, container runtimes or
// sysctl.* on the kernel command line.
package boot

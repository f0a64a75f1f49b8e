// Package journal remembers changes of settings and files, what was there
// before included, so that they can be taken back: after an error, after
// kill -9 at any moment, or because somebody thought better of it.
//
// It is a write-ahead journal. An [Entry] is on disk as [Begun], complete with
// the old and the new of every setting and every file, before the first of them
// is touched, and is marked only after the last one. Whatever a Begun entry
// holds may have happened or not: comparing each old and new with what is there
// tells which. A change is confirmed, and taken back, in the same way: the journal
// says [Confirming] or [Reverting] first. Entries are files of their own, replaced whole by rename, so a
// reader sees the old or the new one and never half of it. What has a deadline has a
// second copy in memory, for the clock that must not depend on a disk. Everybody may
// read an entry but for the files of others in it, which only root may.
//
// The package knows how entries are kept and how writers keep out of each
// other's way. It refuses to know what the settings mean and never changes any.
package journal

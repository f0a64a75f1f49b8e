package report

import "slices"

// findingFields are those of any finding.
var findingFields = []Field{
	{"code", "stable name of the kind of finding"},
	{"severity", "info, warning or critical; a warning is what --yes agrees to"},
	{"subject", "what it is about"},
	{"evidence", "what shows it"},
	{"advice", "what to do"},
}

// writeFields are what is to be written, or was.
var writeFields = []Field{
	{"writes[]", "the writes of settings, in their order"},
	{"writes[].netns", "inode number of the network namespace"},
	{"writes[].name", "its name"},
	{"writes[].key", "the setting"},
	{"writes[].before", "its value before, with single spaces"},
	{"writes[].after", "its value after"},
	{"files[]", "the files to be written, after the settings"},
	{"files[].path", "the file"},
	{"files[].diff", "the change as unified diff; /dev/null stands for no file"},
}

func setDocument() Document {
	return Document{"set", "One object. `portrange reserve add` and `portrange reserve remove` print the same.", slices.Concat(
		schemaField,
		[]Field{
			{"outcome", "planned (--dry-run), nothing (to do), refused, applied, or waiting (for confirmation)"},
			{"change", "number of the change in the journal; absent where nothing was changed"},
			{"reverts_at", "when the change goes back unless it is confirmed; absent where it stays"},
			{"namespaces[]", "the network namespaces that the plan is about"},
			{"namespaces[].netns", "inode number of the network namespace"},
			{"namespaces[].name", "host, the name given by ip netns, or its first process"},
		},
		under("namespaces[].before.", rangeFields),
		under("namespaces[].after.", rangeFields),
		[]Field{
			{"namespaces[].gained", "ports of the range after that are not in the one before"},
			{"namespaces[].lost", "ports of the range before that are not in the one after"},
			{"namespaces[].reserved_before", "ip_local_reserved_ports in the kernel's form; empty for none"},
			{"namespaces[].reserved_after", "what it will be"},
			{"namespaces[].findings[]", "what follows from the change, worst first"},
		},
		under("namespaces[].findings[].", findingFields),
		writeFields,
		[]Field{{"findings[]", "what there is to say of files and of the journal, worst first"}},
		under("findings[].", findingFields),
		gapFields,
	)}
}

var rangeFields = []Field{
	{"low", "lowest port"},
	{"high", "highest port, part of the range"},
	{"size", "number of ports, both ends included"},
	{"default", "whether it is the kernel's built-in range"},
}

func reserveDocument() Document {
	return Document{"reserve", "One object, of `portrange reserve list`. Those of add and remove are described under set.", slices.Concat(
		schemaField,
		[]Field{
			{"namespaces[]", "the network namespaces that were read"},
			{"namespaces[].netns", "inode number of the network namespace"},
			{"namespaces[].name", "host, the name given by ip netns, or its first process"},
			{"namespaces[].reserved", "ip_local_reserved_ports in the kernel's form; empty for none"},
			{"namespaces[].count", "number of reserved ports"},
			{"namespaces[].in_range", "those of them that lie in the range"},
		},
		gapFields,
	)}
}

func undoDocument() Document {
	return Document{"undo", "One object.", slices.Concat(
		schemaField,
		[]Field{
			{"outcome", "planned (--dry-run), nothing (to do), refused or applied"},
			{"undoes.id", "number of the change that is taken back"},
			{"undoes.state", "how far it had come: done, waiting (for confirmation) or begun (it was interrupted)"},
			{"undoes.at", "when it was made (RFC 3339, UTC)"},
			{"undoes.command", "the command that made it"},
			{"undoes.user", "who gave it"},
			{"resumes", "true where an undo had been interrupted and is finished"},
		},
		writeFields,
		[]Field{
			{"kept[]", "what others changed since, or is gone: it stays as it is"},
			{"kept[].what", "the setting and its network namespace, or the file"},
			{"kept[].why", "what happened to it"},
			{"kept[].diff", "of a file, from what portrange left to what is there now, as unified diff; empty for a setting"},
		},
	)}
}

func confirmDocument() Document {
	return Document{"confirm", "One object.", slices.Concat(
		schemaField,
		[]Field{
			{"confirmed.id", "number of the change that stays"},
			{"confirmed.state", "done"},
			{"confirmed.at", "when it was made (RFC 3339, UTC)"},
			{"confirmed.command", "the command that made it"},
			{"confirmed.user", "who gave it"},
		},
	)}
}

func bootDocument() Document {
	decision := func(name, program string) []Field {
		return []Field{
			{name, "what " + program + " sets; null where it leaves the key alone"},
			{name + ".value", "the value"},
			{name + ".file", "the file, as the program names it"},
			{name + ".line", "the line, counted from 1"},
			{name + ".target", "the file itself where its name is a link"},
		}
	}
	return Document{"boot", "One object. Values are in the kernel's form, with one space between numbers.", slices.Concat(
		schemaField,
		[]Field{
			{"program", "which of systemd and procps applies sysctl.d here"},
			{"settings[]", "the settings that were looked at"},
			{"settings[].key", "the setting"},
			{"settings[].running", "the value that holds now; null where it is not known, as with --root"},
		},
		under("settings[].", decision("systemd", "systemd-sysctl")),
		under("settings[].", decision("procps", "sysctl --system")),
		under("settings[].", decision("tuned", "tuned, after the program,")),
		[]Field{
			{"settings[].boot", "the value after a reboot; null where no file sets it and the default is not known"},
			{"settings[].loses[]", "the assignments that come to nothing"},
			{"settings[].loses[].file", "the file, as the program names it"},
			{"settings[].loses[].line", "the line, counted from 1"},
			{"settings[].loses[].target", "the file itself where its name is a link"},
			{"settings[].loses[].value", "the value as written, with single spaces"},
			{"settings[].loses[].programs[]", "the programs with which it comes to nothing"},
			{"settings[].loses[].why", "why, for the first of them"},
			{"settings[].drift", "whether a reboot changes the running value"},
		},
		gapFields,
	)}
}

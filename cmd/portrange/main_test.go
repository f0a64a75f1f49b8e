package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"portrange/internal/nettest"
)

func TestMain(m *testing.M) {
	nettest.Helper()
	testscript.Main(m, map[string]func(){"portrange": main, "listener": listener})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup:               setup,
		Condition:           condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"netns":     makeNamespace,
			"machine":   makeMachine,
			"systemd":   makeSystemd,
			"range":     setRange,
			"sysctl":    setSysctl,
			"addr":      addAddrs,
			"open":      openSockets,
			"fails":     fails,
			"code":      exitCode,
			"unknown":   isUnknown,
			"interrupt": interrupt,
			"sorted":    sortRows,
			"normalise": normalise,
		},
	})
}

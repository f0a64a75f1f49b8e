package clock

import (
	"fmt"
	"net"
	"os"
	"time"
)

// syslogSocket is where the system's log listens: journald or a syslogd.
const syslogSocket = "/dev/log"

// Syslog tells the system's log, where somebody finds it when no terminal is left.
// It never blocks for long: a log that takes nothing more must not hold up a clock,
// which package log/syslog would. The form is that of RFC 3164, without the time.
func Syslog(message string) {
	const (
		priority = 3<<3 | 3 // facility daemon, severity error
		patience = time.Second
	)
	conn, err := net.DialTimeout("unixgram", syslogSocket, patience)
	if err != nil {
		return // there is no log, or it is gone
	}
	defer conn.Close()
	if conn.SetWriteDeadline(time.Now().Add(patience)) == nil {
		_, _ = fmt.Fprintf(conn, "<%d>portrange[%d]: %s", priority, os.Getpid(), message)
	}
}

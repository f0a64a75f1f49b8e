package clock

import (
	"fmt"
	"net"
	"os"
	"time"

	"portrange/internal/escape"
)

// syslogSocket is where the system's log listens: journald or a syslogd.
const syslogSocket = "/dev/log"

// logPatience is how long the log may take: one that takes nothing more must not
// hold up a clock, as it would through package log/syslog.
const logPatience = time.Second

// Syslog tells the system's log, where somebody finds it when no terminal is left.
func Syslog(message string) { tell(syslogSocket, message) }

// tell writes in the form of RFC 3164, without the time. Without a log there is
// nobody to tell.
func tell(socket, message string) {
	const priority = 3<<3 | 3 // facility daemon, severity error
	conn, err := net.DialTimeout("unixgram", socket, logPatience)
	if err != nil {
		return
	}
	defer conn.Close()
	if conn.SetWriteDeadline(time.Now().Add(logPatience)) == nil {
		_, _ = fmt.Fprintf(conn, "<%d>portrange[%d]: %s", priority, os.Getpid(), escape.Line(message))
	}
}

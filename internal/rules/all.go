package rules

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// All lists the rules, by subject.
func All() []*Rule {
	return []*Rule{
		poolFull, poolNearFull, poolPastHalf, localPoolFull, localPoolNearFull, localPoolPastHalf,
		poolFilling, connectionRate,
		closeWaitLeak, finWait2Share, timeWaitShare, bindBeforeConnect, rangeWithheld, oneProcess,
		twReuseOff, timestampsOff, twReuseDelay, twBucketsLow, twBucketsOverflow, cureTWRecycle, cureFinTimeout,
		rangeNarrow, rangeDefaultBusy, otherRange, sameParity,

		lostAddress, selfConnect, listenerInRange, reservedOutside, reservedUnused, portTaken,
		socketUnit, servicePort, nodePorts, publishedPorts,
		processFiles, machineFiles, conntrackNearFull, conntrackDrops, orphans, tcpMemory, sourceNAT, cloudNAT,
		wholeSearch, lockedSearch, stickyBuckets, stepWidth, connectCost,
		notPersisted, bootDrift, refusedAtBoot, noSuchSetting,
		bindHeldInRange, socketsOutside, reservedInRange, noPortLeft, smallRange, limitTooSmall,
		changeWaits, changeOverdue, interruptedChange, overriddenAtBoot, commentedOut, notAfterReboot, dropInEdited, notTheHost, hostAlone,
		bootFileUnread,
	}
}

// causesOfFullPools are the codes of what fills a pool, the last resort last.
func causesOfFullPools() []string {
	return []string{
		"close-wait-leak", "fin-wait2-share", "time-wait-share", "bind-before-connect", "range-withheld", "one-process", "other-range",
	}
}

// causesOfDetails are the codes below which a detail of a pool is told.
func causesOfDetails() []string {
	return append(causesOfFullPools(), "pool-filling", "pool-full", "pool-near-full", "pool-past-half",
		"local-pool-full", "local-pool-near-full", "local-pool-past-half")
}

// Codes are the codes of all rules, in their order.
func Codes() []string {
	var codes []string
	for _, rule := range All() {
		codes = append(codes, rule.Code)
	}
	return codes
}

// pages holds one page for each rule.
//
//go:embed *.md
var pages embed.FS

// Explain is the page on a code, or on how a program keeps connections open, in
// Markdown that reads well as it is. The error of an unknown code names the nearest
// ones, or else all.
func Explain(code string) (string, error) {
	if page := programPage(code); page != "" {
		return page, nil
	}
	page, err := pages.ReadFile(code + ".md")
	if err == nil {
		return string(page), nil
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) {
		return "", fmt.Errorf("explain %s: %w", code, err)
	}
	var near []string
	for _, known := range Codes() {
		if code != "" && strings.Contains(known, code) {
			near = append(near, known)
		}
	}
	if len(near) == 0 {
		near = Codes()
	}
	return "", fmt.Errorf("no finding has the code %q; there are %s", code, strings.Join(near, ", "))
}

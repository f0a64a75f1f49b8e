package chart

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// Sizes in the units of the drawing, which are pixels unless it is scaled.
const (
	width      = 760.0
	height     = 450.0
	margin     = 14.0
	rightEdge  = width - 22 // half of the last tick's words stand beyond the plot
	titleSize  = 16.0
	wordSize   = 13.0
	lineHeight = 20.0
	tickGap    = 7.0 // between the words at a tick and the axis
	swatch     = 26.0
	entryGap   = 22.0 // between entries of the legend
	legendRows = 7
	tickRoom   = 160.0 // the most for the words at a tick
)

// box is a rectangle, its origin at the top left.
type box struct{ x, y, w, h float64 }

func (b box) right() float64  { return b.x + b.w }
func (b box) bottom() float64 { return b.y + b.h }

func (b box) overlaps(other box) bool {
	return b.x < other.right() && other.x < b.right() && b.y < other.bottom() && other.y < b.bottom()
}

// segment is a straight line between two places of the drawing.
type segment struct{ x1, y1, x2, y2 float64 }

// crosses reports whether some of the segment lies in the box. It cuts off what
// lies outside, one side of the box after the other (Liang and Barsky).
func (s segment) crosses(b box) bool {
	from, to := 0.0, 1.0
	dx, dy := s.x2-s.x1, s.y2-s.y1
	for _, side := range [][2]float64{
		{-dx, s.x1 - b.x}, {dx, b.right() - s.x1}, {-dy, s.y1 - b.y}, {dy, b.bottom() - s.y1},
	} {
		direction, room := side[0], side[1]
		switch {
		case direction == 0 && room < 0:
			return false
		case direction < 0:
			from = math.Max(from, room/direction)
		case direction > 0:
			to = math.Min(to, room/direction)
		}
	}
	return from <= to
}

// wordsWidth is about the room that text takes in a wide sans-serif. Which font
// the viewer has is not known, so it is rather too much than too little.
func wordsWidth(text string, size float64) float64 {
	ems := 0.0
	for _, r := range text {
		switch {
		case strings.ContainsRune("fijlrt.,:;'!|()[]/ ", r):
			ems += 0.37
		case r >= 'A' && r <= 'Z', strings.ContainsRune("mw%@", r):
			ems += 0.8
		case r < 0x1100:
			ems += 0.6
		default: // Chinese, Japanese, Korean and pictures are square
			ems++
		}
	}
	return ems * size
}

// shortened cuts text off where it would be wider than room.
func shortened(text string, size, room float64) string {
	if wordsWidth(text, size) <= room {
		return text
	}
	for text != "" && wordsWidth(text+"…", size) > room {
		_, last := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-last]
	}
	return text + "…"
}

// entry is a series in the legend.
type entry struct {
	at     box
	series Series
	text   string
}

// legend lays the named series out between left and right, from y down: in one
// row where that has room for all, else in columns of the same width. Those for
// which there are no rows are only counted.
func legend(series []Series, left, right, y float64) (entries []entry, bottom float64) {
	all, widest := 0.0, 0.0
	for _, s := range series {
		if s.Name == "" {
			continue
		}
		text := shortened(s.Name, wordSize, right-left-swatch)
		e := entry{box{left + all, y, swatch + wordsWidth(text, wordSize) + entryGap, lineHeight}, s, text}
		entries, all, widest = append(entries, e), all+e.at.w, math.Max(widest, e.at.w)
	}
	if len(entries) == 0 {
		return nil, y
	}
	if all > right-left+entryGap {
		columns := max(1, int((right-left+entryGap)/widest))
		if most := columns * legendRows; len(entries) > most {
			entries[most-1].text = fmt.Sprintf("and %d more", len(entries)-most+1)
			entries[most-1].series = Series{}
			entries = entries[:most]
		}
		for i := range entries {
			entries[i].at.x = left + float64(i%columns)*widest
			entries[i].at.y = y + float64(i/columns)*lineHeight
		}
	}
	return entries, entries[len(entries)-1].at.bottom()
}

package web

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"sync"
)

// A card has few colours: those of its parts, on the ground or on each other. As indexes into a palette it is a fraction of the size,
// and takes a fraction of the time to compress.

// shadesOf is in how many steps each colour fades into the ground.
const shadesOf = 36

// channelBits are the bits of each channel by which a colour is looked up.
const channelBits = 5

// shades is the palette of cards, and the nearest of its colours for each that can be looked up.
var shades = sync.OnceValue(func() (s struct {
	palette color.Palette
	nearest []uint8
}) {
	for _, c := range []color.NRGBA{cardInk, cardSoft, cardNode, cardDot, cardLine, cardLit} {
		for k := 1; k <= shadesOf; k++ {
			s.palette = append(s.palette, fade(cardGround, c, float64(k)/shadesOf))
		}
		// Nodes and letters that lie on links and dots.
		if c != cardLit {
			s.palette = append(s.palette, fade(c, cardLit, 0.35), fade(c, cardLit, 0.63))
		}
	}
	s.palette = append(s.palette, cardGround)
	s.nearest = make([]uint8, 1<<(3*channelBits))
	const rest = 8 - channelBits
	for i := range s.nearest {
		at := func(n int) uint8 {
			v := i >> (n * channelBits) & (1<<channelBits - 1)
			// The middle of what looks the same.
			return uint8(v<<rest | 1<<(rest-1))
		}
		s.nearest[i] = uint8(s.palette.Index(color.NRGBA{at(2), at(1), at(0), 0xff}))
	}
	return s
})

// fade is a colour on another one.
func fade(under, over color.NRGBA, alpha float64) color.NRGBA {
	mix := func(a, b uint8) uint8 { return uint8(math.Round(float64(a) + (float64(b)-float64(a))*alpha)) }
	return color.NRGBA{mix(under.R, over.R), mix(under.G, over.G), mix(under.B, over.B), 0xff}
}

// png writes the picture in the palette of cards.
func (c *canvas) png() ([]byte, error) {
	s := shades()
	img := image.NewPaletted(c.img.Bounds(), s.palette)
	const rest = 8 - channelBits
	for i := range img.Pix {
		p := c.img.Pix[4*i : 4*i+3 : 4*i+3]
		img.Pix[i] = s.nearest[uint(p[0]>>rest)<<(2*channelBits)|uint(p[1]>>rest)<<channelBits|uint(p[2]>>rest)]
	}
	var b bytes.Buffer
	err := png.Encode(&b, img)
	return b.Bytes(), err
}

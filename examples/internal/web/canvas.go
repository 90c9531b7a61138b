package web

import (
	"image"
	"image/color"
	"image/draw"
	"math"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// fonts are parsed once; the faces made of them are not safe for use by several at a time.
var fonts = sync.OnceValue(func() (f struct{ regular, bold *opentype.Font }) {
	var err error
	if f.regular, err = opentype.Parse(goregular.TTF); err != nil {
		panic(err)
	}
	if f.bold, err = opentype.Parse(gobold.TTF); err != nil {
		panic(err)
	}
	return f
})

// face returns a font at a size in pixels.
func face(f *opentype.Font, size float64) font.Face {
	// Both the font and the options are ours, so that this does not fail.
	made, err := opentype.NewFace(f, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		panic(err)
	}
	return made
}

// textWidth is how wide a text is at a size, in whole pixels.
func textWidth(s string, size float64) int {
	f := face(fonts().regular, size)
	defer f.Close()
	return font.MeasureString(f, s).Ceil()
}

// canvas is a picture in the making. What is added to its path is filled at once, which costs the same for one shape as for a thousand.
type canvas struct {
	img  *image.RGBA
	path *vector.Rasterizer
	// area is where the path is: what is outside of it is not painted. Filling costs as much as the area is large.
	area image.Rectangle
}

// spare are canvases of the size of cards, whose memory is used again.
var spare sync.Pool

// copy returns a canvas with the same picture, to be released.
func (c *canvas) copy() *canvas {
	on, ok := spare.Get().(*canvas)
	if !ok {
		b := c.img.Bounds()
		on = &canvas{img: image.NewRGBA(b), path: new(vector.Rasterizer)}
	}
	on.within(on.img.Bounds())
	copy(on.img.Pix, c.img.Pix)
	return on
}

// release gives the memory of a copy back.
func (c *canvas) release() { spare.Put(c) }

func newCanvas(width, height int, ground color.Color) *canvas {
	c := &canvas{img: image.NewRGBA(image.Rect(0, 0, width, height)), path: new(vector.Rasterizer)}
	c.within(c.img.Bounds())
	draw.Draw(c.img, c.img.Bounds(), image.NewUniform(ground), image.Point{}, draw.Src)
	return c
}

// within begins a path in a part of the picture.
func (c *canvas) within(area image.Rectangle) {
	c.area = area.Intersect(c.img.Bounds())
	c.path.Reset(c.area.Dx(), c.area.Dy())
}

// disc adds a filled circle.
func (c *canvas) disc(x, y, r float64) {
	x, y = x-float64(c.area.Min.X), y-float64(c.area.Min.Y)
	// Four cubic curves come within 0.03 % of a circle.
	const k = 0.5522847498
	p := func(dx, dy float64) (float32, float32) { return float32(x + dx*r), float32(y + dy*r) }
	curve := func(ax, ay, bx, by, ex, ey float64) {
		x1, y1 := p(ax, ay)
		x2, y2 := p(bx, by)
		x3, y3 := p(ex, ey)
		c.path.CubeTo(x1, y1, x2, y2, x3, y3)
	}
	sx, sy := p(1, 0)
	c.path.MoveTo(sx, sy)
	curve(1, k, k, 1, 0, 1)
	curve(-k, 1, -1, k, -1, 0)
	curve(-1, -k, -k, -1, 0, -1)
	curve(k, -1, 1, -k, 1, 0)
	c.path.ClosePath()
}

// line adds a line. All of them turn the same way, since two that turn differently would cancel each other out where they cross.
func (c *canvas) line(x0, y0, x1, y1, width float64) {
	dx, dy := x1-x0, y1-y0
	far := math.Hypot(dx, dy)
	if far < 1e-6 {
		return
	}
	ox, oy := float64(c.area.Min.X), float64(c.area.Min.Y)
	x0, y0, x1, y1 = x0-ox, y0-oy, x1-ox, y1-oy
	nx, ny := -dy/far*width/2, dx/far*width/2
	c.path.MoveTo(float32(x0-nx), float32(y0-ny))
	c.path.LineTo(float32(x1-nx), float32(y1-ny))
	c.path.LineTo(float32(x1+nx), float32(y1+ny))
	c.path.LineTo(float32(x0+nx), float32(y0+ny))
	c.path.ClosePath()
}

// fill paints the path and begins a new one.
func (c *canvas) fill(col color.Color) {
	c.path.Draw(c.img, c.area, image.NewUniform(col), image.Point{})
	c.path.Reset(c.area.Dx(), c.area.Dy())
}

// text writes a line with its base line at y. Where max is positive, what is wider is cut.
func (c *canvas) text(f *opentype.Font, size, x, y float64, max int, col color.Color, s string) {
	fc := face(f, size)
	defer fc.Close()
	if r := []rune(s); max > 0 {
		for len(r) > 1 && font.MeasureString(fc, s).Ceil() > max {
			r = r[:len(r)-1]
			s = string(r) + "…"
		}
	}
	d := font.Drawer{Dst: c.img, Src: image.NewUniform(col), Face: fc, Dot: fixed.Point26_6{X: fixed.Int26_6(x * 64), Y: fixed.Int26_6(y * 64)}}
	d.DrawString(s)
}

// canWrite tells whether our fonts have all the letters.
func canWrite(s string) bool {
	f := face(fonts().regular, 12)
	defer f.Close()
	for _, r := range s {
		if _, ok := f.GlyphAdvance(r); !ok {
			return false
		}
	}
	return true
}

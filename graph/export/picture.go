package export

// Picture configures a picture.
type Picture struct{}

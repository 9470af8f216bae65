module edgetasks/appengine-proof

go 1.18

require google.golang.org/appengine/v2 v2.0.6

require (
	github.com/golang/protobuf v1.5.0 // indirect
	google.golang.org/protobuf v1.30.0 // indirect
)

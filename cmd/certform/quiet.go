package main

import (
	"log"
	"os"
	"runtime"
	"strings"
)

// quiet takes the standard streams away from everything that is linked in and
// returns them: some DNS providers print what they do, values included, which
// would spoil -json. What is written instead goes nowhere. It is called once,
// before anything else.
//
// The files themselves are exchanged, not only the variables, since loggers
// made at init hold the files. The println of the language and the runtime's
// account of a crash still reach standard error.
func quiet() (stdout, stderr *os.File, err error) {
	nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, nil, err
	}
	out, errs := *os.Stdout, *os.Stderr
	*os.Stdout, *os.Stderr = *nowhere, *nowhere
	log.SetOutput(survivor{})
	return &out, &errs, nil
}

// survivor is where the standard logger writes: nowhere. A log.Fatal would end
// the process right after; the panic that takes its place is caught around
// every call of a provider and ends that call alone.
type survivor struct{}

func (survivor) Write(b []byte) (int, error) {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		if strings.HasPrefix(f.Function, "log.Fatal") || strings.HasPrefix(f.Function, "log.(*Logger).Fatal") {
			panic("log.Fatal") // not its words, which may hold a secret
		}
	}
	return len(b), nil
}

package main

import (
	"fmt"
	"log"
	"os"
	"testing"
)

var early = log.New(os.Stderr, "", 0) // as a package does that makes its logger at init

// noisy is certform with a dependency that prints in every way.
func noisy() {
	out, errs, err := quiet()
	if err != nil {
		panic(err)
	}
	fmt.Println("noise")
	fmt.Fprintln(os.Stderr, "noise")
	log.Print("noise")
	early.Print("noise")
	os.Exit(run(os.Args[1:], os.Stdin, out, errs))
}

// log.Fatal of a provider becomes a panic, which the broker survives.
func TestFatal(t *testing.T) {
	defer log.SetOutput(log.Writer())
	log.SetOutput(survivor{})
	for name, end := range map[string]func(){
		"Fatal":    func() { log.Fatal("canary") },
		"Fatalf":   func() { log.Fatalf("%s", "canary") },
		"Fatalln":  func() { log.Fatalln("canary") },
		"a logger": func() { log.Default().Fatal("canary") },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if p := recover(); p != "log.Fatal" {
					t.Errorf("it panicked with %v", p)
				}
			}()
			end()
		})
	}
	log.Print("this returns")
}

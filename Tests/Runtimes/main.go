// What Go's runtime asks of the kernel: threads, children, files, sockets, memory, signals.
package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func check(holds bool, what string) {
	if !holds {
		panic(what)
	}
}

func threads() {
	var group sync.WaitGroup
	sums := make(chan int, 1000)
	for i := 0; i < 1000; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			// Some on a thread of their own.
			if i%100 == 0 {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				time.Sleep(time.Millisecond)
			}
			sums <- i
		}(i)
	}
	group.Wait()
	close(sums)
	sum := 0
	for part := range sums {
		sum += part
	}
	check(sum == 499500, "sum")
	// A loop without calls is stopped by a signal to its thread.
	done := false
	go func() {
		for !done {
		}
	}()
	time.Sleep(30 * time.Millisecond)
	runtime.GC()
	done = true
}

func children() {
	command := exec.Command("sh", "-c", "read x; echo got $x")
	command.Stdin = strings.NewReader("this\n")
	out, err := command.Output()
	must(err)
	check(string(out) == "got this\n", "echo")
	sleep := exec.Command("sleep", "60")
	must(sleep.Start())
	must(sleep.Process.Kill())
	check(sleep.Wait() != nil, "sleep")
}

func files() {
	folder, err := os.MkdirTemp("", "go")
	must(err)
	defer os.RemoveAll(folder)
	for i := 0; i < 50; i++ {
		must(os.WriteFile(filepath.Join(folder, fmt.Sprint(i)), bytes.Repeat([]byte("x"), i), 0o600))
	}
	var size int64
	must(filepath.Walk(folder, func(_ string, info os.FileInfo, err error) error {
		if !info.IsDir() {
			size += info.Size()
		}
		return err
	}))
	check(size == 1225, "size")
	must(os.Rename(filepath.Join(folder, "1"), filepath.Join(folder, "one")))
	must(os.Symlink("one", filepath.Join(folder, "link")))
}

func sockets() {
	listener, err := net.Listen("tcp", "localhost:0")
	must(err)
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	var group sync.WaitGroup
	for i := 0; i < 50; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			text := fmt.Sprint("request ", i)
			answer, err := http.Post("http://"+listener.Addr().String(), "text/plain", strings.NewReader(text))
			must(err)
			body, err := io.ReadAll(answer.Body)
			must(err)
			check(string(body) == text, "answer")
		}(i)
	}
	group.Wait()
}

func memory() {
	kept := 0
	for i := 0; i < 2000; i++ {
		kept += len(make([]byte, 100_000))
	}
	runtime.GC()
	check(kept == 200_000_000, "garbage")
}

func signals() {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGUSR1)
	must(syscall.Kill(os.Getpid(), syscall.SIGUSR1))
	check(<-caught == syscall.SIGUSR1, "signal")
	ticker := time.NewTicker(5 * time.Millisecond)
	<-ticker.C
	<-ticker.C
	ticker.Stop()
}

func main() {
	for _, one := range []struct {
		name string
		run  func()
	}{
		{"threads", threads}, {"children", children}, {"files", files}, {"sockets", sockets}, {"memory", memory},
		{"signals", signals},
	} {
		one.run()
		fmt.Println("ok", one.name)
	}
}

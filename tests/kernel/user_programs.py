"""Programs that tests trace: compiled when they are needed, or the test is skipped."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

# Calls a function that calls itself: ARGUMENTS are its depth, and how often.
RECURSION = """
#include <stdlib.h>
__attribute__((noinline)) int recur(int depth)
{
    __asm__ volatile("" : : : "memory");
    return depth <= 1 ? 1 : recur(depth - 1) + 1;
}
int main(int count, char **words)
{
    int sum = 0;
    for (int i = 0; count == 3 && i < atoi(words[2]); i++)
        sum += recur(atoi(words[1]));
    return sum == 0;
}
"""
# A 32-bit program that opens a file so many times.
OPENS = 1_009
COMPAT = f"""
static int call(int number, int a, int b, int c)
{{
    int result;
    __asm__ volatile("int $0x80" : "=a"(result) : "0"(number), "b"(a), "c"(b), "d"(c) : "memory");
    return result;
}}
void _start(void)
{{
    char byte;
    call(3, 0, (int)&byte, 1);
    for (int i = 0; i < {OPENS}; i++)
        call(6, call(295, -100, (int)"/dev/null", 0), 0, 0);
    call(3, 0, (int)&byte, 1);
    call(1, 0, 0, 0);
    for (;;)
        ;
}}
"""
# Goroutines that recurse, and so have their stacks moved.
GO = """
package main

//go:noinline
func work(depth int) int {
	var frame [64]int
	frame[depth%64] = depth
	if depth <= 0 {
		return frame[0]
	}
	return work(depth-1) + frame[depth%64]
}

//go:noinline
func leaf(value int) int {
	if value > 3 {
		return value * 2
	}
	return value + 1
}

func main() {
	var line [1]byte
	read(line[:])
	sum, done := 0, make(chan int)
	for i := 0; i < CALLS; i++ {
		go func() { done <- work(100) + leaf(i) }()
		sum += <-done
	}
	println(sum)
	read(line[:])
}
"""
GO_CALLS = 101


def compiled(source: str, path: Path, *options: str) -> str:
    """Compile C; the test is skipped where that is not possible."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler is installed")
    done = subprocess.run(
        [compiler, "-O1", "-fno-optimize-sibling-calls", "-x", "c", "-", "-o", path, *options],
        input=source,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"the C compiler does not do that: {done.stderr.splitlines()[-1]}")
    return str(path)


def compiled_go(folder: Path) -> str:
    """Compile the program in Go; the test is skipped where there is no compiler."""
    compiler = shutil.which("go")
    if compiler is None:
        pytest.skip("no Go compiler is installed (package golang-go)")
    read = 'import "os"\n\nfunc read(line []byte) { os.Stdin.Read(line) }\n'
    source = GO.replace("package main\n", f"package main\n\n{read}")
    (folder / "main.go").write_text(source.replace("CALLS", str(GO_CALLS)))
    subprocess.run(
        [compiler, "build", "-o", "program", "main.go"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "GOCACHE": str(folder / "cache")},
        check=True,
    )
    return str(folder / "program")

// Package private runs a PostgreSQL server that belongs to one program alone: for
// rappel dev, and beneath the databases of the tests.
//
// # Words
//
//   - The folder ([Options].Dir) holds everything of one server: data (what initdb
//     makes), lock, password, postgres.log, and run (the socket) if its path is short enough.
//   - The server user is whom PostgreSQL runs as: ourselves, or an unprivileged
//     user when we are root, since PostgreSQL refuses root.
//   - An orphan is a server, or a backend of one, whose program is gone.
//
// What Start meets in a folder, and what it makes of it:
//
//	empty ───────────────initdb──┐
//	half an initdb ──────removed─┤
//	stopped ─────────────────────┼──▶ running ──Stop, or death of the program──▶ stopped
//	killed (stale pid) ──removed─┤        │
//	orphan running ──────ended───┘        └──kill -9 of both──▶ killed, or orphan
//	locked by a live program ───▶ ErrInUse
//	of another major version ───▶ binaries of that version, else ErrVersion; untouched
//
// # Decisions
//
//   - An orphan is ended and started anew instead of adopted. Linux tells our
//     server about our death (Pdeathsig), but only just after our lock falls, so a
//     server that looks healthy may be about to leave; and an adopted one would
//     have the settings and the parent of another life. Ending costs some tenths of
//     a second and leaves one kind of server to reason about.
//   - Before a process is signalled its executable must be postgres and its working
//     directory this very data folder; a number in a stale postmaster.pid may by
//     now belong to anybody.
//   - initdb works in data.new, renamed when complete, so that data is always whole.
//   - A Unix socket in a folder only the server user can enter needs no password.
//     Where sockets don't work a free port of 127.0.0.1 is used, with
//     scram-sha-256 and a random password kept beside the data, mode 0600.
//   - The server has a process group of its own: Ctrl-C reaches the program, which
//     stops in order and takes the server down last.
//   - Failing statements and row details stay out of postgres.log: they hold what
//     patients and clinics wrote.
//   - As root with a folder beneath /root (which nobody else can enter) the server
//     lives in /var/lib/rappel, and the folder is a symbolic link to there. Opening
//     /root to others isn't ours to do.
//   - Linux and macOS. Elsewhere use a PostgreSQL of your own.
package private

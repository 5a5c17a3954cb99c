// SPDX-License-Identifier: GPL-2.0-or-later
//! std::net::TcpStream with set_read_timeout; a read that timed out leaves the connection in use.
//!
//! The server is the line server: a request is a line with a tag, and the same line comes back.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::TcpStream;
use std::os::unix::io::AsRawFd;
use std::thread::sleep;
use std::time::Duration;

extern "C" {
    fn ioctl(fd: i32, request: u64, value: *mut i32) -> i32;
}

const FIONREAD: u64 = 0x541b;

struct Connection {
    reader: BufReader<TcpStream>,
    port: u16,
    operations: u32,
    wrong: u32,
    abandoned: u32,
    unread: u32,
    outstanding: u32,
    owed: bool,
}

impl Connection {
    fn open(port: u16) -> Connection {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
        stream.set_nodelay(true).expect("nodelay");
        let port = stream.local_addr().expect("a local address").port();
        Connection {
            reader: BufReader::new(stream),
            port,
            operations: 0,
            wrong: 0,
            abandoned: 0,
            unread: 0,
            outstanding: 0,
            owed: false,
        }
    }

    fn before_send(&mut self) {
        self.operations += 1;
        if !std::mem::take(&mut self.owed) {
            return;
        }
        let mut queued = 0;
        // The number of bytes in the socket's queue, for the truth alone.
        unsafe { ioctl(self.reader.get_ref().as_raw_fd(), FIONREAD, &mut queued) };
        if queued > 0 {
            self.unread += 1;
        } else {
            self.outstanding += 1;
        }
    }

    fn exchange(&mut self, request: &str, limit: Duration) {
        self.before_send();
        let stream = self.reader.get_mut();
        stream.set_read_timeout(Some(limit)).expect("set_read_timeout");
        stream.write_all(format!("{request}\n").as_bytes()).expect("write");
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(_) => self.wrong += (line.trim_end() != request) as u32,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.abandoned += 1;
                self.owed = true;
            }
            Err(error) => panic!("read: {error}"),
        }
    }

    fn truth(&self) -> String {
        format!(
            "\"{}\": {{\"wrong\": {}, \"closed\": false, \"abandoned\": {}, \
             \"reuse\": {{\"unread\": {}, \"outstanding\": {}}}}}",
            self.port, self.wrong, self.abandoned, self.unread, self.outstanding
        )
    }
}

struct Random(u64);

impl Random {
    fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        low + (self.0 >> 33) % (high - low + 1)
    }
}

fn main() {
    let (mut port, mut late, mut seed, mut timings) = (0, false, 1, 20);
    let words: Vec<String> = std::env::args().skip(1).collect();
    for pair in words.chunks(2) {
        match pair[0].as_str() {
            "--port" => port = pair[1].parse().unwrap(),
            "--order" => late = pair[1] == "late",
            "--seed" => seed = pair[1].parse().unwrap(),
            "--timings" => timings = pair[1].parse().unwrap(),
            other => panic!("no such option: {other}"),
        }
    }
    let patient = Duration::from_secs(5);
    let mut random = Random(seed);
    let mut all = Vec::new();
    let mut tags = (1..).map(|number| format!("tag-{number}"));
    for _ in 0..timings {
        let mut tag = || tags.next().unwrap();
        let (mut wronged, mut clean) = (Connection::open(port), Connection::open(port));
        for _ in 0..random.between(0, 3) {
            wronged.exchange(&tag(), patient);
        }
        clean.exchange(&tag(), patient);
        let (lag, limit) = (random.between(30, 60), random.between(2, 10));
        wronged.exchange(&format!("{}~{lag}~", tag()), Duration::from_millis(limit));
        let gap = match late {
            true => lag - limit + random.between(10, 30),
            false => random.between(0, lag / 3),
        };
        sleep(Duration::from_millis(gap));
        for _ in 0..random.between(1, 3) {
            wronged.exchange(&tag(), patient);
        }
        clean.exchange(&tag(), patient);
        all.push(wronged);
        all.push(clean);
    }
    // A pool outlives its last call: what its connections hold has the time to arrive, and rests.
    sleep(Duration::from_millis(500));
    let total = |of: fn(&Connection) -> u32| all.iter().map(of).sum::<u32>();
    let connections: Vec<String> = all.iter().map(Connection::truth).collect();
    println!(
        "{{\"workload\": \"rust-std-timeout\", \"pid\": {}, \"operations\": {}, \
         \"cancelled\": {}, \"cancelled_owed\": {}, \"wrong\": {}, \"connections\": {{{}}}}}",
        std::process::id(),
        total(|c| c.operations),
        total(|c| c.abandoned),
        total(|c| c.abandoned),
        total(|c| c.wrong),
        connections.join(", ")
    );
}

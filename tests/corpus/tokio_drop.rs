// SPDX-License-Identifier: GPL-2.0-or-later
//! A tokio client with a pool of its own. The future that waits for a reply is dropped, its guard
//! puts the connection back, and the next caller reads the old reply.
//!
//! --way timeout    tokio::time::timeout around the whole call
//! --way three      the same around three awaits; the last one is dropped
//! --way select     the losing branch of a select!
//! --way abort      JoinHandle::abort on the caller's task
//! --way handler    a request handler that its server drops at its own time limit
//! --way fixed      as handler, with the exchange in a task of its own that runs to its end: the
//!                  right way, and never a wrong answer
//!
//! The server is the line server: a request is a line with a tag, and the same line comes back.
// cargo: tokio = { version = "1", features = ["net", "time", "rt", "rt-multi-thread", "macros", "io-util", "sync"] }

use std::os::unix::io::AsRawFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

extern "C" {
    fn ioctl(fd: i32, request: u64, value: *mut i32) -> i32;
}

const FIONREAD: u64 = 0x541b;

#[derive(Default)]
struct Truth {
    port: u16,
    operations: u32,
    wrong: u32,
    abandoned: u32,
    unread: u32,
    outstanding: u32,
    owed: bool,
}

struct Connection {
    stream: TcpStream,
    have: Vec<u8>,
    truth: Arc<Mutex<Truth>>,
}

impl Connection {
    fn before_send(&self) {
        let mut truth = self.truth.lock().unwrap();
        truth.operations += 1;
        if std::mem::take(&mut truth.owed) {
            let mut queued = 0;
            // The number of bytes in the socket's queue, for the truth alone.
            unsafe { ioctl(self.stream.as_raw_fd(), FIONREAD, &mut queued) };
            if queued > 0 {
                truth.unread += 1;
            } else {
                truth.outstanding += 1;
            }
        }
    }

    async fn exchange(&mut self, request: &str) -> std::io::Result<String> {
        self.before_send();
        self.stream.write_all(format!("{request}\n").as_bytes()).await?;
        self.truth.lock().unwrap().owed = true;
        loop {
            if let Some(end) = self.have.iter().position(|&byte| byte == b'\n') {
                let line = self.have.drain(..=end).collect::<Vec<u8>>();
                let mut truth = self.truth.lock().unwrap();
                truth.owed = false;
                let answer = String::from_utf8_lossy(&line[..end]).into_owned();
                truth.wrong += (answer != request) as u32;
                return Ok(answer);
            }
            let mut bytes = [0; 512];
            let n = self.stream.read(&mut bytes).await?;
            if n == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            self.have.extend_from_slice(&bytes[..n]);
        }
    }
}

struct Pool {
    port: u16,
    idle: Mutex<Vec<Connection>>,
    all: Arc<Mutex<Vec<Arc<Mutex<Truth>>>>>,
}

/// Puts the connection back when it goes out of scope, in whatever state it is.
struct Guard {
    pool: Arc<Pool>,
    connection: Option<Connection>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let connection = self.connection.take().unwrap();
        {
            let mut truth = connection.truth.lock().unwrap();
            truth.abandoned += truth.owed as u32;
        }
        self.pool.idle.lock().unwrap().push(connection);
    }
}

impl Pool {
    fn new(port: u16, all: &Arc<Mutex<Vec<Arc<Mutex<Truth>>>>>) -> Arc<Pool> {
        Arc::new(Pool { port, idle: Mutex::new(Vec::new()), all: all.clone() })
    }

    async fn checkout(self: &Arc<Self>) -> std::io::Result<Guard> {
        let idle = self.idle.lock().unwrap().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => {
                let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
                stream.set_nodelay(true)?;
                let truth = Arc::new(Mutex::new(Truth {
                    port: stream.local_addr()?.port(),
                    ..Truth::default()
                }));
                self.all.lock().unwrap().push(truth.clone());
                Connection { stream, have: Vec::new(), truth }
            }
        };
        Ok(Guard { pool: self.clone(), connection: Some(connection) })
    }

    async fn call(self: Arc<Self>, request: String) -> std::io::Result<String> {
        let mut guard = self.checkout().await?;
        guard.connection.as_mut().unwrap().exchange(&request).await
    }
}

struct Random(u64);

impl Random {
    fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        low + (self.0 >> 33) % (high - low + 1)
    }
}

/// What a web framework does with a request: the handler has a time limit, then it is dropped.
async fn served(pool: Arc<Pool>, request: String, limit: Duration, fixed: bool) {
    let handler = async {
        let exchange = pool.clone().call(request);
        if fixed {
            tokio::spawn(exchange).await.expect("the task panicked")
        } else {
            exchange.await
        }
    };
    if let Ok(done) = timeout(limit, handler).await {
        done.expect("the exchange failed");
    }
}

/// On a slow machine the reply can come first; then nothing was given up, and the truth says so.
async fn give_up(way: &str, pool: &Arc<Pool>, request: String, limit: Duration) {
    let call = pool.clone().call(request.clone());
    match way {
        "timeout" => {
            let _ = timeout(limit, call).await;
        }
        "three" => {
            let three = async {
                for part in ["first", "second"] {
                    pool.clone().call(format!("{part}-of-{}", request.replace('~', ""))).await?;
                }
                call.await
            };
            let _: Result<std::io::Result<String>, _> = timeout(limit, three).await;
        }
        "select" => tokio::select! {
            _ = call => (),
            _ = sleep(limit) => (),
        },
        "abort" => {
            let task = tokio::spawn(call);
            sleep(limit).await;
            task.abort();
            let _ = task.await;
        }
        "handler" => served(pool.clone(), request, limit, false).await,
        "fixed" => served(pool.clone(), request, limit, true).await,
        other => panic!("no such way: {other}"),
    }
}

struct Options {
    port: u16,
    way: String,
    late: bool,
    seed: u64,
    timings: u32,
    threads: usize,
}

fn options() -> Options {
    let mut options = Options {
        port: 0,
        way: "timeout".into(),
        late: false,
        seed: 1,
        timings: 20,
        threads: 1,
    };
    let words: Vec<String> = std::env::args().skip(1).collect();
    for pair in words.chunks(2) {
        match pair[0].as_str() {
            "--port" => options.port = pair[1].parse().unwrap(),
            "--way" => options.way = pair[1].clone(),
            "--order" => options.late = pair[1] == "late",
            "--seed" => options.seed = pair[1].parse().unwrap(),
            "--timings" => options.timings = pair[1].parse().unwrap(),
            "--threads" => options.threads = pair[1].parse().unwrap(),
            other => panic!("no such option: {other}"),
        }
    }
    options
}

/// Returns the pools, so that their connections stay open.
async fn work(options: &Options, all: &Arc<Mutex<Vec<Arc<Mutex<Truth>>>>>) -> Vec<Arc<Pool>> {
    let mut random = Random(options.seed);
    let mut kept = Vec::new();
    let mut tags = (1..).map(|number| format!("tag-{number}"));
    let mut tag = || tags.next().unwrap();
    for _ in 0..options.timings {
        let pool = Pool::new(options.port, all);
        for _ in 0..random.between(0, 3) {
            pool.clone().call(tag()).await.expect("a clean exchange");
        }
        let lag = random.between(30, 60);
        let limit = random.between(2, 10) + if options.way == "three" { 10 } else { 0 };
        let marked = format!("{}~{lag}~", tag());
        give_up(&options.way, &pool, marked, Duration::from_millis(limit)).await;
        let rest = lag.saturating_sub(limit);
        let gap = if options.late {
            rest + random.between(10, 30)
        } else {
            random.between(0, rest / 3)
        };
        sleep(Duration::from_millis(gap)).await;
        for _ in 0..random.between(1, 3) {
            pool.clone().call(tag()).await.expect("a follower");
        }
        // Another one beside it, on which nothing is given up.
        let clean = Pool::new(options.port, all);
        for _ in 0..3 {
            clean.clone().call(tag()).await.expect("a clean exchange");
        }
        kept.push(pool);
        kept.push(clean);
    }
    kept
}

fn print(way: &str, given_up: u32, all: &[Arc<Mutex<Truth>>]) {
    let (mut operations, mut abandoned, mut wrong) = (0, 0, 0);
    let mut connections = Vec::new();
    for truth in all {
        let truth = truth.lock().unwrap();
        operations += truth.operations;
        abandoned += truth.abandoned;
        wrong += truth.wrong;
        connections.push(format!(
            "\"{}\": {{\"wrong\": {}, \"closed\": false, \"abandoned\": {}, \
             \"reuse\": {{\"unread\": {}, \"outstanding\": {}}}}}",
            truth.port, truth.wrong, truth.abandoned, truth.unread, truth.outstanding
        ));
    }
    println!(
        "{{\"workload\": \"tokio-{way}\", \"pid\": {}, \"operations\": {operations}, \
         \"cancelled\": {given_up}, \"cancelled_owed\": {abandoned}, \"wrong\": {wrong}, \
         \"connections\": {{{}}}}}",
        std::process::id(),
        connections.join(", ")
    );
}

fn main() {
    let options = options();
    let mut builder = if options.threads > 1 {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    let runtime =
        builder.worker_threads(options.threads).enable_all().build().expect("a runtime");
    let all = Arc::new(Mutex::new(Vec::new()));
    let kept = runtime.block_on(work(&options, &all));
    // A pool outlives its last call: what its connections hold has the time to arrive, and rests.
    std::thread::sleep(Duration::from_millis(500));
    print(&options.way, options.timings, &all.lock().unwrap());
    drop(kept);
}

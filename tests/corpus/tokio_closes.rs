// SPDX-License-Identifier: GPL-2.0-or-later
//! A tokio client that is right: a connection is moved into the exchange and comes back to the pool
//! only when the reply was read. A future that is dropped takes its connection with it.
//!
//! --way timeout | select | abort: how the future is dropped. --way whole: a dropped caller leaves
//! the exchange, a task of its own, to run to its end.
// cargo: tokio = { version = "1", features = ["net", "time", "rt", "rt-multi-thread", "macros", "io-util", "sync"] }

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

#[derive(Default)]
struct Client {
    port: u16,
    free: Mutex<Vec<BufReader<TcpStream>>>,
    operations: AtomicU32,
    cancelled: AtomicU32,
    wrong: AtomicU32,
}

async fn exchange(client: Arc<Client>, tag: String, delay_us: u64) {
    let idle = client.free.lock().unwrap().pop();
    let mut stream = match idle {
        Some(stream) => stream,
        None => BufReader::new(TcpStream::connect(("127.0.0.1", client.port)).await.unwrap()),
    };
    let request = format!("{tag} {delay_us}\n");
    stream.get_mut().write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_line(&mut answer).await.unwrap();
    if answer.trim() != tag {
        client.wrong.fetch_add(1, Relaxed);
    }
    client.operations.fetch_add(1, Relaxed);
    client.free.lock().unwrap().push(stream);
}

async fn one(client: Arc<Client>, way: &str, number: u64, worker: u64) {
    let tag = format!("t{worker}-{number}");
    let delay = number * 37 % 7 * 1000;
    let limit = Duration::from_micros(1500 + number * 13 % 3000);
    let future = exchange(client.clone(), tag, delay);
    let late = match way {
        "timeout" => timeout(limit, future).await.is_err(),
        "select" => tokio::select! {
            _ = future => false,
            _ = sleep(limit) => true,
        },
        "abort" => {
            let task = tokio::spawn(future);
            sleep(limit).await;
            task.abort();
            task.await.is_err()
        }
        _ => timeout(limit, tokio::spawn(future)).await.is_err(),
    };
    client.cancelled.fetch_add(late as u32, Relaxed);
}

async fn run(client: Arc<Client>, way: String, operations: u64) {
    let mut workers = Vec::new();
    for worker in 0..8 {
        let (client, way) = (client.clone(), way.clone());
        workers.push(tokio::spawn(async move {
            for number in 0..operations / 8 {
                one(client.clone(), &way, number, worker).await;
                exchange(client.clone(), format!("c{worker}-{number}"), 0).await;
            }
        }));
    }
    for worker in workers {
        worker.await.unwrap();
    }
    // What still runs as a task of its own comes to its end.
    sleep(Duration::from_millis(50)).await;
}

fn main() {
    let mut client = Client::default();
    let (mut way, mut operations) = (String::new(), 800);
    let mut words = std::env::args().skip(1);
    while let Some(name) = words.next() {
        let value = words.next().expect("a value");
        match name.as_str() {
            "--port" => client.port = value.parse().unwrap(),
            "--way" => way = value,
            "--operations" => operations = value.parse().unwrap(),
            _ => panic!("no such option: {name}"),
        }
    }
    let client = Arc::new(client);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(run(client.clone(), way, operations));
    let cancelled = client.cancelled.load(Relaxed);
    println!(
        "{{\"workload\": \"tokio_closes\", \"pid\": {}, \"operations\": {}, \"cancelled\": {}, \
         \"cancelled_owed\": {}, \"wrong\": {}, \"connections\": {{}}}}",
        std::process::id(),
        client.operations.load(Relaxed) + cancelled,
        cancelled,
        cancelled,
        client.wrong.load(Relaxed)
    );
}

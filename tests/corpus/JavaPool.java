// SPDX-License-Identifier: GPL-2.0-or-later

/*
 * A Java client with a pool of its own, whose callers run on the threads of an executor. A caller
 * stops waiting for its reply,
 *
 * --way sotimeout    Socket.setSoTimeout, and SocketTimeoutException
 * --way select       a channel that does not block, and a select with a timeout
 * --way sleep        InputStream.available() and Thread.sleep in turns, until Future.cancel(true)
 * --way wakeup       a select without a timeout, until Future.cancel(true) wakes it
 * --way slices       short reads, and a look at the interrupt flag after each that times out
 * --way channel      a channel that blocks, until Future.cancel(true): the JDK closes it
 *
 * and its connection
 *
 * --then keep        goes back to the pool all the same, which is wrong
 * --then close       is closed
 * --then drain       goes back when the reply has been read after all
 * --then pipeline    has another request sent first, then both replies are read, and it goes back
 *
 * With --drivers several give calls up at a time, and share a pool. Else each round has its own: a
 * connection that was wrong once is wrong for the rest of its life.
 *
 * The server is the line server: a request is a line with a tag, and the same line comes back.
 */
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;

final class JavaPool {
	/* Milliseconds that a caller waits who is not going to give up. */
	private static final int PATIENT = 2000;
	private static final int SLICE = 5;

	private static final Map<String, String> options = new HashMap<>(Map.of(
			"--way", "sotimeout", "--then", "keep", "--order", "early", "--seed", "1",
			"--timings", "20", "--drivers", "1"));
	private static final List<Connection> all = Collections.synchronizedList(new ArrayList<>());
	private static final AtomicInteger tags = new AtomicInteger();
	/* One that fails is not to be waited for. */
	private static final ExecutorService callers = Executors.newCachedThreadPool(run -> {
		Thread caller = new Thread(run);

		caller.setDaemon(true);
		return caller;
	});

	/** The wait for a reply took too long. */
	private static final class TimedOut extends Exception {
		private static final long serialVersionUID = 1;
	}

	/** A connection, and what is true about it. Only one caller has it at a time. */
	private abstract static class Connection {
		int port;
		int operations;
		int wrong;
		int cancelled;
		int abandoned; /* of these, by one who did not wait for the reply after all */
		int unread;
		int outstanding;
		boolean owed;
		boolean closed;
		private final StringBuilder kept = new StringBuilder();

		abstract void write(byte[] bytes) throws IOException;

		/** Some bytes; a limit of 0 is none. */
		abstract int read(byte[] to, int limit)
				throws IOException, TimedOut, InterruptedException;

		/** How many bytes lie in the socket's queue. */
		abstract int queued() throws IOException;

		abstract void close() throws IOException;

		void beforeSend() throws IOException {
			operations++;
			if (!owed)
				return;
			owed = false;
			if (queued() > 0)
				unread++;
			else
				outstanding++;
		}

		String line(int limit) throws IOException, TimedOut, InterruptedException {
			byte[] bytes = new byte[4096];
			int end;

			while ((end = kept.indexOf("\n")) < 0) {
				int n = read(bytes, limit);

				if (n < 0)
					throw new EOFException();
				kept.append(new String(bytes, 0, n, StandardCharsets.US_ASCII));
			}
			String line = kept.substring(0, end);
			kept.delete(0, end + 1);
			return line;
		}

		void exchange(String request, int limit) throws IOException, InterruptedException {
			beforeSend();
			try {
				write((request + "\n").getBytes(StandardCharsets.US_ASCII));
				if (!line(limit).equals(request))
					wrong++;
			} catch (TimedOut over) {
				givenUp(request);
			} catch (InterruptedException over) {
				givenUp(request);
				/* Who asked for it may want to know. */
				Thread.currentThread().interrupt();
			} catch (ClosedByInterruptException over) {
				cancelled++;
				abandoned++;
				closed = true;
			}
		}

		private void givenUp(String request) throws IOException, InterruptedException {
			cancelled++;
			switch (options.get("--then")) {
			case "drain":
				try {
					if (!line(PATIENT).equals(request))
						wrong++;
				} catch (TimedOut over) {
					throw new IOException("no reply at all", over);
				}
				break;
			case "pipeline":
				String more = "tag-" + tags.incrementAndGet();

				try {
					operations++;
					write((more + "\n").getBytes(StandardCharsets.US_ASCII));
					if (!line(PATIENT).equals(request))
						wrong++;
					if (!line(PATIENT).equals(more))
						wrong++;
				} catch (TimedOut over) {
					throw new IOException("no reply at all", over);
				}
				break;
			case "close":
				abandoned++;
				closed = true;
				close();
				break;
			default:
				abandoned++;
				owed = true;
			}
		}

		String truth() {
			return String.format("\"%d\": {\"wrong\": %d, \"closed\": %b, "
					+ "\"abandoned\": %d, "
					+ "\"reuse\": {\"unread\": %d, \"outstanding\": %d}}",
					port, wrong, closed, abandoned, unread, outstanding);
		}
	}

	/** What java.net gives. */
	private static final class Blocking extends Connection {
		private final Socket socket;
		private final InputStream in;
		private final String way;

		Blocking(InetSocketAddress to, String way) throws IOException {
			this.way = way;
			socket = new Socket(to.getAddress(), to.getPort());
			socket.setTcpNoDelay(true);
			in = socket.getInputStream();
			port = socket.getLocalPort();
		}

		@Override
		void write(byte[] bytes) throws IOException {
			socket.getOutputStream().write(bytes);
		}

		@Override
		int read(byte[] to, int limit) throws IOException, TimedOut, InterruptedException {
			if (way.equals("sleep"))
				while (in.available() == 0)
					Thread.sleep(1);
			else if (way.equals("sotimeout"))
				socket.setSoTimeout(limit);
			else
				socket.setSoTimeout(SLICE);
			for (;;) {
				try {
					return in.read(to);
				} catch (SocketTimeoutException late) {
					if (way.equals("sotimeout"))
						throw new TimedOut();
					if (Thread.interrupted())
						throw new InterruptedException();
				}
			}
		}

		@Override
		int queued() throws IOException {
			return in.available();
		}

		@Override
		void close() throws IOException {
			socket.close();
		}
	}

	/** What java.nio gives. */
	private static final class Selecting extends Connection {
		private final SocketChannel channel;
		private final Selector selector; /* none: it blocks */

		Selecting(InetSocketAddress to, boolean blocks) throws IOException {
			channel = SocketChannel.open(to);
			channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
			channel.configureBlocking(blocks);
			selector = blocks ? null : Selector.open();
			if (!blocks)
				channel.register(selector, SelectionKey.OP_READ);
			port = ((InetSocketAddress) channel.getLocalAddress()).getPort();
		}

		@Override
		void write(byte[] bytes) throws IOException {
			if (channel.write(ByteBuffer.wrap(bytes)) != bytes.length)
				throw new IOException("a request went out in part");
		}

		@Override
		int read(byte[] to, int limit) throws IOException, TimedOut, InterruptedException {
			while (selector != null) {
				int ready = selector.select(limit);

				selector.selectedKeys().clear();
				if (Thread.interrupted())
					throw new InterruptedException();
				if (ready == 0)
					throw new TimedOut();
				int n = channel.read(ByteBuffer.wrap(to));

				if (n != 0)
					return n;
			}
			return channel.read(ByteBuffer.wrap(to));
		}

		@Override
		int queued() throws IOException {
			return channel.socket().getInputStream().available();
		}

		@Override
		void close() throws IOException {
			channel.close();
			if (selector != null)
				selector.close();
		}
	}

	/** Whatever happened to its exchange, a connection that is open goes back. */
	private static final class Pool {
		private final Deque<Connection> idle = new ArrayDeque<>();

		private synchronized Connection take() throws IOException {
			if (!idle.isEmpty())
				return idle.pop();
			String way = options.get("--way");
			InetSocketAddress to = new InetSocketAddress(
					InetAddress.getLoopbackAddress(),
					Integer.parseInt(options.get("--port")));
			Connection c = switch (way) {
			case "select", "wakeup", "channel" ->
				new Selecting(to, way.equals("channel"));
			default -> new Blocking(to, way);
			};

			all.add(c);
			return c;
		}

		private synchronized void back(Connection c) {
			if (!c.closed)
				idle.push(c);
		}

		private void call(String request, int limit)
				throws IOException, InterruptedException {
			Connection c = take();

			try {
				c.exchange(request, limit);
			} finally {
				back(c);
			}
		}

		void clean(int times) throws ExecutionException, InterruptedException {
			for (; times > 0; times--) {
				String request = "tag-" + tags.incrementAndGet();

				callers.submit(() -> {
					call(request, PATIENT);
					return null;
				}).get();
			}
		}

		/** Its caller gives the wait up by itself, or is told to by its Future. */
		void giveUp(int lag, int limit) throws ExecutionException, InterruptedException {
			String request = "tag-" + tags.incrementAndGet() + "~" + lag + "~";
			String way = options.get("--way");
			boolean alone = way.equals("sotimeout") || way.equals("select");
			CountDownLatch begun = new CountDownLatch(1);
			CountDownLatch returned = new CountDownLatch(1);
			Future<Void> future = callers.submit(() -> {
				begun.countDown();
				try {
					call(request, alone ? limit : 0);
				} finally {
					returned.countDown();
				}
				return null;
			});

			/* One that is cancelled before would never begin. */
			begun.await();
			/* On a slow machine the reply can come first; then nothing is given up. */
			try {
				future.get(alone ? PATIENT : limit, TimeUnit.MILLISECONDS);
			} catch (TimeoutException late) {
				future.cancel(true);
			}
			returned.await();
		}
	}

	private static int between(Random varied, int low, int high) {
		return low + varied.nextInt(high - low + 1);
	}

	/** Some calls that end well, one that is given up, and some more. */
	private static void round(Pool pool, Random varied, int lag, int limit, int gap)
			throws ExecutionException, InterruptedException {
		pool.clean(between(varied, 0, 3));
		pool.giveUp(lag, limit);
		Thread.sleep(gap);
		pool.clean(between(varied, 1, 3));
	}

	private static void alone(Random varied, int rounds)
			throws ExecutionException, InterruptedException {
		boolean late = options.get("--order").equals("late");

		for (; rounds > 0; rounds--) {
			int lag = between(varied, 40, 70), limit = between(varied, 6, 14);
			int gap = late ? lag - limit + between(varied, 15, 35)
				       : between(varied, 0, lag / 4);

			round(new Pool(), varied, lag, limit, gap);
			/* Another one beside it, on which nothing is given up. */
			new Pool().clean(3);
		}
	}

	private static void together(Random varied, int rounds, int drivers)
			throws ExecutionException, InterruptedException {
		List<Future<Void>> driven = new ArrayList<>();
		Pool shared = new Pool();

		for (; drivers > 0; drivers--) {
			Random own = new Random(varied.nextLong());

			driven.add(callers.submit(() -> {
				for (int i = 0; i < rounds; i++)
					round(shared, own, between(own, 15, 40),
					      between(own, 2, 12), between(own, 0, 20));
				return null;
			}));
		}
		for (Future<Void> one : driven)
			one.get();
	}

	private static void print() {
		StringBuilder connections = new StringBuilder();
		int operations = 0, wrong = 0, cancelled = 0;

		for (Connection c : all) {
			operations += c.operations;
			wrong += c.wrong;
			cancelled += c.cancelled;
			connections.append(connections.length() == 0 ? "" : ", ").append(c.truth());
		}
		System.out.printf("{\"workload\": \"java-pool-%s\", \"pid\": %d, "
				+ "\"operations\": %d, \"cancelled\": %d, \"cancelled_owed\": %d, "
				+ "\"wrong\": %d, \"connections\": {%s}}%n", options.get("--way"),
				ProcessHandle.current().pid(), operations, cancelled, cancelled,
				wrong, connections);
	}

	public static void main(String[] words) throws Exception {
		for (int i = 0; i + 1 < words.length; i += 2)
			options.put(words[i], words[i + 1]);
		Random varied = new Random(Long.parseLong(options.get("--seed")));
		int rounds = Integer.parseInt(options.get("--timings"));
		int drivers = Integer.parseInt(options.get("--drivers"));

		if (drivers > 1) {
			together(varied, rounds, drivers);
		} else {
			/* A tracer learns of a process by its first connection, then of its JVM. */
			new Pool().clean(1);
			Thread.sleep(1000);
			alone(varied, rounds);
		}
		/* A pool outlives its last call: what its connections hold arrives, and rests. */
		Thread.sleep(500);
		print();
	}
}

# SPDX-License-Identifier: GPL-2.0-or-later
#
# ruby-connection-pool used as it should be: a connection whose use did not end well is closed
# inside the block, and the pool holds a shell that connects anew. With --busy another thread
# computes: the interpreter's time slices end waits, which are begun again.

require "connection_pool"
require "json"
require "optparse"
require "socket"
require "timeout"

options = { operations: 400 }
OptionParser.new do |parser|
  parser.on("--port N", Integer) { |n| options[:port] = n }
  parser.on("--busy") { options[:busy] = true }
  parser.on("--operations N", Integer) { |n| options[:operations] = n }
end.parse!

# A connection that exists while it can be trusted.
class Shell
  def initialize(port)
    @port = port
  end

  def ask(tag, delay)
    @socket ||= TCPSocket.new("127.0.0.1", @port)
    asked = true
    @socket.write("#{tag} #{delay}\n")
    answer = @socket.gets&.strip
    asked = false
    answer
  ensure
    if asked
      @socket.close
      @socket = nil
    end
  end
end

truth = { workload: "correct_pool", pid: Process.pid, operations: 0, cancelled: 0,
          cancelled_owed: 0, wrong: 0, connections: {} }
pool = ConnectionPool.new(size: 4, timeout: 5) { Shell.new(options[:port]) }
lock = Mutex.new

ended = false
busy = Thread.new { 1 until ended } if options[:busy]

threads = Array.new(4) do |thread|
  Thread.new do
    (options[:operations] / 4).times do |number|
      tag = "t#{thread}-#{number}"
      begin
        answer = Timeout.timeout(0.003) { pool.with { |shell| shell.ask(tag, number % 8 * 1000) } }
        lock.synchronize { truth[:wrong] += 1 unless answer == tag }
      rescue Timeout::Error
        lock.synchronize do
          truth[:cancelled] += 1
          truth[:cancelled_owed] += 1
        end
      end
      answer = pool.with { |shell| shell.ask("#{tag}-clean", 0) }
      lock.synchronize do
        truth[:wrong] += 1 unless answer == "#{tag}-clean"
        truth[:operations] += 2
      end
    end
  end
end
threads.each(&:join)
ended = true
busy&.join
puts JSON.generate(truth)

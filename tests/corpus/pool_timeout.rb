# SPDX-License-Identifier: GPL-2.0-or-later
#
# ruby-connection-pool and TCPSocket: Timeout.timeout ends a call that waits for its reply, and the
# pool takes the connection back.
#
# The server is the line server: a request is a line with a tag, and the same line comes back.

require 'connection_pool'
require 'io/wait'
require 'json'
require 'optparse'
require 'socket'
require 'timeout'

# One connection, and what is true about it.
class Line
  FIONREAD = 0x541b

  attr_reader :port, :wrong, :abandoned, :operations

  def initialize(port)
    @socket = TCPSocket.new('127.0.0.1', port)
    @socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
    @port = @socket.local_address.ip_port
    @operations = @wrong = @abandoned = 0
    @reuse = { unread: 0, outstanding: 0 }
    @owed = false
  end

  def ask(request)
    before_send
    @socket.write("#{request}\n")
    @owed = true
    answer = @socket.gets
    @owed = false
    @wrong += 1 if answer.chomp != request
  end

  def left
    # On a slow machine the reply can have come just before.
    @abandoned += 1 if @owed
  end

  def truth
    { wrong: @wrong, closed: false, abandoned: @abandoned, reuse: @reuse }
  end

  private

  def before_send
    @operations += 1
    return unless @owed

    queued = [0].pack('i')
    @socket.ioctl(FIONREAD, queued)
    @reuse[queued.unpack1('i').positive? ? :unread : :outstanding] += 1
  end
end

options = { order: 'early', seed: 1, timings: 20 }
OptionParser.new do |parser|
  parser.on('--port N', Integer)
  parser.on('--order ORDER', %w[early late])
  parser.on('--seed N', Integer)
  parser.on('--timings N', Integer)
end.parse!(into: options)

varied = Random.new(options[:seed])
lines = []
pools = []
tags = 1.step
new_pool = lambda do
  pool = ConnectionPool.new(size: 1, timeout: 5) do
    lines << Line.new(options[:port])
    lines.last
  end
  pools << pool
  pool
end

options[:timings].times do
  pool = new_pool.call
  clean = new_pool.call
  varied.rand(0..3).times { pool.with { |line| line.ask("tag-#{tags.next}") } }
  lag = varied.rand(30..60)
  limit = varied.rand(5..15)
  begin
    Timeout.timeout(limit / 1000.0) do
      pool.with { |line| line.ask("tag-#{tags.next}~#{lag}~") }
    end
  rescue Timeout::Error
    pool.with(&:left)
  end
  late = options[:order] == 'late'
  sleep((late ? lag - limit + varied.rand(10..30) : varied.rand(0..lag / 4)) / 1000.0)
  varied.rand(1..3).times { pool.with { |line| line.ask("tag-#{tags.next}") } }
  3.times { clean.with { |line| line.ask("tag-#{tags.next}") } }
end

# A pool outlives its last call: what its connections hold has the time to arrive, and rests.
sleep(0.5)
abandoned = lines.sum(&:abandoned)
puts({ workload: 'ruby-pool-timeout', pid: Process.pid, operations: lines.sum(&:operations),
       cancelled: abandoned, cancelled_owed: abandoned, wrong: lines.sum(&:wrong),
       connections: lines.to_h { |line| [line.port, line.truth] } }.to_json)

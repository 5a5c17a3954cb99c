# SPDX-License-Identifier: GPL-2.0-or-later
#
# ruby-dalli against a memcached that is stopped now and then: a time-out of its own, and
# Ruby's Timeout around it. dalli closes a connection whose request was not finished.

require "dalli"
require "json"
require "optparse"
require "timeout"

options = { operations: 150 }
OptionParser.new do |parser|
  parser.on("--port N", Integer) { |n| options[:port] = n }
  parser.on("--server-pid N", Integer) { |n| options[:pid] = n }
  parser.on("--way WAY") { |way| options[:way] = way }
  parser.on("--operations N", Integer) { |n| options[:operations] = n }
end.parse!

truth = { workload: "correct_dalli", pid: Process.pid, operations: 0, cancelled: 0,
          cancelled_owed: 0, wrong: 0, connections: {} }
inside = options[:way] == "socket"
Dalli.logger.level = Logger::FATAL
client = Dalli::Client.new("127.0.0.1:#{options[:port]}",
                           socket_timeout: inside ? 0.005 : 5, socket_max_failures: 1000,
                           socket_failure_delay: 0.001, down_retry_delay: 0)

def stop_and_go(pid, seconds)
  Process.kill(:STOP, pid)
  Thread.new do
    sleep(seconds)
    Process.kill(:CONT, pid)
  end
end

# A server that dalli calls down is asked again at once.
def patiently
  yield
rescue Dalli::RingError, Dalli::NetworkError
  sleep(0.001)
  retry
end

options[:operations].times do |number|
  keys = Array.new(2) { |n| "key#{number}-#{n}" }
  keys.each { |key| patiently { client.set(key, "value of #{key}") } }
  release = stop_and_go(options[:pid], 0.008 + number % 5 * 0.002)
  begin
    got = inside ? client.get(keys[0]) : Timeout.timeout(0.004) { client.get(keys[0]) }
    truth[:wrong] += 1 unless got == "value of #{keys[0]}"
  rescue Dalli::DalliError, Timeout::Error
    truth[:cancelled] += 1
    truth[:cancelled_owed] += 1
  end
  # Every other time the answer comes before the connection is wanted again.
  release.join if number.odd?
  got = patiently { client.get(keys[1]) }
  truth[:wrong] += 1 unless got == "value of #{keys[1]}"
  truth[:operations] += 4
  release.join
end
puts JSON.generate(truth)

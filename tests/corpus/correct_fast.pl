# SPDX-License-Identifier: GPL-2.0-or-later
#
# libredis-fast-perl with a read time-out: the command fails, and the connection is kept. The next
# command goes out while the old answer is owed, as with the bug; but the library (hiredis's
# asynchronous side) has a queue of who waits, and throws the old answer away when it comes.

use strict;
use warnings;
use Getopt::Long;
use Redis::Fast;
use Time::HiRes qw(usleep);

GetOptions('port=i' => \my $port, 'operations=i' => \(my $operations = 300)) or exit 2;

my %truth = (operations => 0, cancelled => 0, cancelled_owed => 0, wrong => 0);
my $redis = Redis::Fast->new(server => "127.0.0.1:$port", read_timeout => 0.006,
    reconnect => 1, every => 1000);

sub ask {
    my ($tag, @command) = @_;
    my ($method, @words) = @command;
    $truth{operations}++;
    my $answer = eval { $redis->$method(@words) };
    if ($@) {
        $truth{cancelled}++;
        $truth{cancelled_owed}++;
    } else {
        $truth{wrong}++ if ($answer // '') ne $tag;
    }
}

for my $number (0 .. $operations - 1) {
    my $tag = "tag-$number";
    ask($tag, echo => $tag);
    # The server answers nothing (nil) after 3 to 10 ms, and this client waits 6 ms.
    ask('', blpop => "never-$tag", 0.003 + $number % 8 / 1000);
    # Every third time the late answer comes before the next command.
    usleep(6000) if $number % 3 == 0;
}
printf '{"workload": "correct_fast", "pid": %d, %s, "connections": {}}' . "\n", $$,
    join(', ', map { "\"$_\": $truth{$_}" } sort keys %truth);

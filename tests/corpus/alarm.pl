# SPDX-License-Identifier: GPL-2.0-or-later
#
# Perl's IO::Socket, left by a SIGALRM handler that dies, as everybody writes a timeout in Perl. The
# eval catches it, and the connection stays in use.
#
# The server is the line server: a request is a line with a tag, and the same line comes back.

use strict;
use warnings;
use Getopt::Long;
use IO::Socket::INET;
use JSON::PP;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(setitimer sleep ITIMER_REAL);

use constant FIONREAD => 0x541b;

my %option = (port => 0, order => 'early', seed => 1, timings => 20);
GetOptions(\%option, 'port=i', 'order=s', 'seed=i', 'timings=i') or exit 2;
srand $option{seed};

my (@all, $tags);

sub between {
	my ($low, $high) = @_;
	return $low + int rand($high - $low + 1);
}

sub tag {
	my ($lag) = @_;
	return 'tag-' . ++$tags . ($lag ? "~$lag~" : '');
}

sub connection {
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $option{port})
		or die "connect: $!";
	setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;
	my $known = { socket => $socket, port => $socket->sockport, operations => 0, wrong => 0,
		abandoned => 0, owed => 0, reuse => { unread => 0, outstanding => 0 } };
	push @all, $known;
	return $known;
}

sub ask {
	my ($known, $request) = @_;
	my $socket = $known->{socket};
	$known->{operations}++;
	if ($known->{owed}) {
		my $queued = pack 'i', 0;
		ioctl $socket, FIONREAD, $queued;
		$known->{reuse}{unpack('i', $queued) ? 'unread' : 'outstanding'}++;
		$known->{owed} = 0;
	}
	print $socket "$request\n";
	$socket->flush;
	$known->{owed} = 1;
	my $answer = <$socket>;
	$known->{owed} = 0;
	chomp $answer;
	$known->{wrong}++ if $answer ne $request;
}

for (1 .. $option{timings}) {
	my ($wronged, $clean) = (connection(), connection());
	ask($wronged, tag()) for 1 .. between(0, 3);
	ask($clean, tag());
	my ($lag, $limit) = (between(30, 60), between(2, 10));
	my $answered = eval {
		local $SIG{ALRM} = sub { die "timeout\n" };
		setitimer(ITIMER_REAL, $limit / 1000);
		ask($wronged, tag($lag));
		# On a slow machine the reply can come first; then nothing was given up.
		setitimer(ITIMER_REAL, 0);
		1;
	};
	die $@ if !$answered && $@ ne "timeout\n";
	$wronged->{abandoned}++ if $wronged->{owed};
	my $rest = $lag - $limit;
	sleep(($option{order} eq 'late' ? $rest + between(10, 30) : between(0, $rest / 3)) / 1000);
	ask($wronged, tag()) for 1 .. between(1, 3);
	ask($clean, tag());
}

# A pool outlives its last call: what its connections hold has the time to arrive, and rests.
select(undef, undef, undef, 0.5);
my %total = (operations => 0, wrong => 0, abandoned => 0);
my %connections;
for my $known (@all) {
	$total{$_} += $known->{$_} for keys %total;
	$connections{$known->{port}} = { wrong => $known->{wrong}, closed => JSON::PP::false,
		abandoned => $known->{abandoned}, reuse => $known->{reuse} };
}
my $rest = encode_json({ pid => $$, operations => $total{operations},
	cancelled => $total{abandoned}, cancelled_owed => $total{abandoned},
	wrong => $total{wrong}, connections => \%connections });
print '{"workload": "perl-alarm", ', substr($rest, 1), "\n";

<?php
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Predis, left by an exception out of a signal handler. PHP waits on through the signal and runs
 * the handler when its read returns; by then the whole reply of an MGET is in the stream's buffer
 * and only its first line was used. The next commands are answered from there, without a system
 * call.
 *
 * The server is a redis behind a relay that hands marked requests on late. A second process sends
 * the signals.
 */

require_once 'Predis/Autoloader.php';
Predis\Autoloader::register();

class GivenUp extends Exception
{
}

$options = getopt('', ['port:', 'seed:', 'timings:']);
$timings = (int) ($options['timings'] ?? 20);
mt_srand((int) ($options['seed'] ?? 1));

pcntl_async_signals(true);
pcntl_signal(SIGALRM, function () {
    throw new GivenUp();
});

/* Sends SIGALRM to its parent as many milliseconds after each line as the line says. */
function start_clock(): array
{
    $pair = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
    $parent = posix_getpid();
    $pid = pcntl_fork();
    if ($pid > 0) {
        fclose($pair[1]);
        return [$pid, $pair[0]];
    }
    fclose($pair[0]);
    while (($line = fgets($pair[1])) !== false) {
        usleep(1000 * (int) $line);
        posix_kill($parent, SIGALRM);
    }
    posix_kill(posix_getpid(), SIGKILL);
    exit;
}

class Known
{
    public Predis\Client $client;
    public int $port;
    public int $operations = 0;
    public int $wrong = 0;
    public int $abandoned = 0;
    public int $reuse = 0;

    public function __construct(int $port)
    {
        $this->client = new Predis\Client(['host' => '127.0.0.1', 'port' => $port,
            'read_write_timeout' => 5]);
        $this->client->connect();
        $name = stream_socket_get_name($this->client->getConnection()->getResource(), false);
        $this->port = (int) substr($name, strrpos($name, ':') + 1);
    }

    public function get(string $key): void
    {
        $this->operations++;
        $this->reuse += $this->abandoned;
        if ($this->client->get($key) !== "value of $key") {
            $this->wrong++;
        }
    }
}

[$clock, $line] = start_clock();
$all = [];
for ($round = 0; $round < $timings; $round++) {
    $known = new Known((int) $options['port']);
    $other = new Known((int) $options['port']);
    $all[] = $known;
    $all[] = $other;
    $lag = mt_rand(30, 60);
    $keys = ["a-$round~$lag~", "b-$round", "c-$round"];
    foreach ($keys as $key) {
        $other->operations++;
        $other->client->set($key, "value of $key");
    }
    for ($clean = mt_rand(0, 3); $clean > 0; $clean--) {
        $known->get("c-$round");
    }
    try {
        $known->operations++;
        fwrite($line, mt_rand(2, 10) . "\n");
        $answered = false;
        $known->client->mget($keys);
        // On a slow machine the reply can come first; the signal is still to come.
        $answered = true;
        sleep(5);
    } catch (GivenUp $over) {
        $known->abandoned += $answered ? 0 : 1;
    }
    usleep(1000 * mt_rand(0, 10));
    for ($followers = mt_rand(1, 3); $followers > 0; $followers--) {
        $known->get("c-$round");
    }
    $other->get("c-$round");
}
fclose($line);
pcntl_waitpid($clock, $status);

$total = fn(string $what) => array_sum(array_column($all, $what));
$connections = [];
foreach ($all as $known) {
    $connections[$known->port] = ['wrong' => $known->wrong, 'closed' => false,
        'abandoned' => $known->abandoned, 'reuse' => $known->reuse];
}
echo json_encode(['workload' => 'php-predis-signal', 'pid' => posix_getpid(),
    'operations' => $total('operations'), 'cancelled' => $total('abandoned'),
    'cancelled_owed' => $total('abandoned'), 'wrong' => $total('wrong'),
    'connections' => $connections]), "\n";

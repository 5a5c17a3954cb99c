<?php
// SPDX-License-Identifier: GPL-2.0-or-later
//
// php-redis with a read time-out: it closes the connection and makes a new one for the next
// command.

$options = getopt('', ['port:', 'operations:']);
$port = (int)$options['port'];
$truth = ['workload' => 'correct_redis_php', 'pid' => getmypid(), 'operations' => 0,
    'cancelled' => 0, 'cancelled_owed' => 0, 'wrong' => 0, 'connections' => (object)[]];
$redis = new Redis();
$redis->connect('127.0.0.1', $port, 1.0);
$redis->setOption(Redis::OPT_READ_TIMEOUT, '0.004');

for ($number = 0; $number < (int)($options['operations'] ?? 300); $number++) {
    $tag = "tag-$number";
    try {
        $truth['operations']++;
        $answer = $redis->echo($tag);
        // False is no answer: on a slow machine a new connection may fail within the limit.
        $truth['wrong'] += $answer === $tag || $answer === false ? 0 : 1;
        $truth['operations']++;
        $redis->rawCommand('BLPOP', "never-$tag", $number % 2 ? '0.008' : '0');
    } catch (RedisException $late) {
        $truth['cancelled']++;
        $truth['cancelled_owed']++;
        // Every third time the late answer comes before the next command.
        usleep($number % 3 ? 0 : 6000);
    }
}
echo json_encode($truth), "\n";

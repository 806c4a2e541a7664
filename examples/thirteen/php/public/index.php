<?php
$text = $_GET['text'] ?? 'harbour';
$encoding = $_GET['encoding'] ?? 'ISO-8859-15';
$converted = @iconv('UTF-8', $encoding, $text);
header('content-type: application/json');
echo json_encode(['length' => mb_strlen($text), 'hex' => $converted === false ? null : bin2hex($converted), 'title' => mb_convert_case($text, MB_CASE_TITLE)]);

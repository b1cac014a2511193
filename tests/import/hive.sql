CREATE EXTERNAL TABLE IF NOT EXISTS `lake`.`clicks`(
  `click_id` bigint COMMENT 'unique; for ever',
  `price` decimal(10,2),
  `tags` array<map<string,array<int>>>,
  `code` char(3),
  `payload` binary)
COMMENT 'One row per click'
PARTITIONED BY (`dt` string)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'
LOCATION 's3://bucket/clicks/'
TBLPROPERTIES ('skip.header.line.count'='1')

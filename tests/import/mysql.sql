-- MySQL dump 10.13  Distrib 8.4.3, for Linux (x86_64)
/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!50503 SET NAMES utf8mb4 */;

DROP TABLE IF EXISTS `order_lines`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
CREATE TABLE `order_lines` (
  `order_id` bigint unsigned NOT NULL,
  `line_no` smallint unsigned NOT NULL,
  `sku` varchar(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'the item; not ours',
  `quantity` int NOT NULL DEFAULT '1',
  `small` mediumint DEFAULT NULL,
  `hits` int(10) unsigned zerofill DEFAULT NULL,
  `price` decimal(10,4) NOT NULL,
  `huge` decimal(65,30) DEFAULT NULL,
  `weight` float DEFAULT NULL,
  `weight_2` float(7,2) DEFAULT NULL,
  `exact_weight` double DEFAULT NULL,
  `is_gift` tinyint(1) NOT NULL DEFAULT '0',
  `rating` tinyint DEFAULT NULL,
  `flags` bit(8) DEFAULT b'0',
  `state` enum('new','paid, not sent','it''s gone') DEFAULT 'new' COMMENT 'where it\'s at',
  `extras` set('a','b') DEFAULT NULL,
  `note` mediumtext,
  `token` binary(16) DEFAULT NULL,
  `picture` longblob,
  `meta` json DEFAULT NULL,
  `vintage` year DEFAULT NULL,
  `shipped_on` date DEFAULT NULL,
  `at_time` time DEFAULT NULL,
  `created_at` datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  `changed_at` timestamp NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  `total` decimal(14,4) GENERATED ALWAYS AS ((`price` * `quantity`)) VIRTUAL,
  `key` varchar(10) NOT NULL,
  PRIMARY KEY (`order_id`,`line_no`),
  UNIQUE KEY `sku` (`sku`,`key`),
  KEY `by_sku` (`sku`(10)),
  FULLTEXT KEY `notes` (`note`),
  CONSTRAINT `fk` FOREIGN KEY (`order_id`) REFERENCES `orders` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci COMMENT='One row per line of an order'
/*!50100 PARTITION BY KEY (order_id)
PARTITIONS 4 */;

LOCK TABLES `order_lines` WRITE;
INSERT INTO `order_lines` VALUES (1,1,'it\'s; \\',1,NULL),(1,2,'CREATE TABLE x (',2,NULL);
UNLOCK TABLES;

CREATE TABLE `settings` (
  `Name` varchar(64) NOT NULL,
  `name_2` varchar(64) DEFAULT NULL,
  UNIQUE KEY `u` (`Name`)
);

CREATE TEMPORARY TABLE scratch (id int);

DELIMITER ;;
CREATE PROCEDURE `refresh`()
BEGIN
  INSERT INTO settings VALUES ('a', 'b');
END ;;
DELIMITER ;

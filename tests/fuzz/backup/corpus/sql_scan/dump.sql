/*!40101 SET NAMES utf8mb4 */;
DROP TABLE IF EXISTS `t`;
CREATE TABLE `t` (i int) DEFAULT CHARSET=utf8 COLLATE=utf8_bin;
INSERT INTO `t` VALUES (1,'a\'b;');
-- Dump completed on x

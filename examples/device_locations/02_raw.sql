-- Everything as delivered, by the day it came and the day it is about.
CREATE STREAMING TABLE raw.positions
PARTITIONED BY (arrival_date, data_date)
AS SELECT device_id, id_type, latitude, longitude, utc, horizontal_precision, country,
          _source_file AS file,
          _source_offset AS line,
          TRY_CAST(left(_source_file, 10) AS DATE) AS arrival_date,  -- the folder's name
          day_of(instant_of(utc)) AS data_date                                  -- null when the time cannot be read
   FROM STREAM deliveries;

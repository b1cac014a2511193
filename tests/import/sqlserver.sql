USE [Shop]
GO
/****** Object:  Table [dbo].[Orders]    Script Date: 11/20/2026 ******/
SET ANSI_NULLS ON
GO
SET QUOTED_IDENTIFIER ON
GO
CREATE TABLE [dbo].[Orders](
	[OrderID] [int] IDENTITY(1,1) NOT FOR REPLICATION NOT NULL,
	[Customer's Name] [nvarchar](100) NOT NULL,
	[Comment] [nvarchar](max) NULL,
	[Code] [char](2) NOT NULL,
	[Level] [tinyint] NOT NULL,
	[IsOpen] [bit] NOT NULL,
	[Amount] [money] NULL,
	[Rate] [decimal](18, 6) NULL,
	[Plain] [numeric] NULL,
	[Factor] [float] NULL,
	[Small] [real] NULL,
	[OrderDate] [datetime] NOT NULL,
	[ShipDate] [date] NULL,
	[ShipTime] [time](7) NULL,
	[ChangedAt] [datetime2](7) NOT NULL,
	[SeenAt] [datetime2](3) NULL,
	[SentAt] [datetimeoffset](7) NULL,
	[RowGuid] [uniqueidentifier] ROWGUIDCOL  NOT NULL,
	[Picture] [varbinary](max) NULL,
	[Version] [timestamp] NOT NULL,
	[Title] [sysname] NOT NULL,
	[Area] [geography] NULL,
	[Phone] [dbo].[PhoneNumber] NULL,
	[Total]  AS ([Amount]*[Rate]) PERSISTED,
 CONSTRAINT [PK_Orders] PRIMARY KEY CLUSTERED 
(
	[OrderID] ASC
)WITH (PAD_INDEX = OFF, STATISTICS_NORECOMPUTE = OFF) ON [PRIMARY],
 INDEX [IX_Code] NONCLUSTERED ([Code])
) ON [PRIMARY] TEXTIMAGE_ON [PRIMARY]
GO
CREATE TABLE Sales.Lines (OrderID int NOT NULL REFERENCES dbo.Orders, LineNo smallint NOT NULL, Note varchar)
CREATE TABLE #work (id int)
ALTER TABLE [Sales].[Lines]  WITH CHECK ADD  CONSTRAINT [PK_Lines] PRIMARY KEY NONCLUSTERED ([OrderID], [LineNo] DESC)
GO
ALTER TABLE [dbo].[Orders] ADD  CONSTRAINT [DF_Orders]  DEFAULT (newid()) FOR [RowGuid]
GO
GRANT CREATE TABLE TO reader
GO
INSERT INTO [dbo].[Orders] ([Comment]) VALUES (N'it''s
GO
on')
GO
EXEC sys.sp_addextendedproperty @name=N'MS_Description', @value=N'One row per order' , @level0type=N'SCHEMA',@level0name=N'dbo', @level1type=N'TABLE',@level1name=N'Orders'
GO
EXEC sys.sp_addextendedproperty @name=N'MS_Description', @value=N'Two letters, as in ISO 3166' , @level0type=N'SCHEMA',@level0name=N'dbo', @level1type=N'TABLE',@level1name=N'Orders', @level2type=N'COLUMN',@level2name=N'Code'
GO

// Block RAM of ECP5 as the netlists of Binarray use it: widths of 1 to 36, both output
// modes, enables, and reads on both ports; one port writes. Resets are not used.
//
// A row is one INITVAL: 16 words of 18 bits, 20 bits apart. A word is two bytes of 9;
// widths of 1, 2 and 4 use 8 of these. With a port A of 36 bits the cell is a PDPW16KD:
// A writes, B reads; half A has the lower 18 bits of a word.

module DP16KD(
  input DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9,
  input DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0,
  input ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
  input CEA, OCEA, CLKA, WEA, RSTA, CSA2, CSA1, CSA0,
  output DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9,
  output DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0,
  input DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9,
  input DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0,
  input ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
  input CEB, OCEB, CLKB, WEB, RSTB, CSB2, CSB1, CSB0,
  output DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9,
  output DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0
);
  parameter DATA_WIDTH_A = 18;
  parameter DATA_WIDTH_B = 18;
  parameter REGMODE_A = "NOREG";
  parameter REGMODE_B = "NOREG";
  parameter RESETMODE = "SYNC";
  parameter ASYNC_RESET_RELEASE = "SYNC";
  parameter CSDECODE_A = "0b000";
  parameter CSDECODE_B = "0b000";
  parameter WRITEMODE_A = "NORMAL";
  parameter WRITEMODE_B = "NORMAL";
  parameter CLKAMUX = "CLKA";
  parameter CLKBMUX = "CLKB";
  parameter OCEAMUX = "OCEA";
  parameter OCEBMUX = "OCEB";
  parameter GSR = "ENABLED";
  parameter WID = 0;
  parameter [319:0] INITVAL_00 = 0, INITVAL_01 = 0, INITVAL_02 = 0, INITVAL_03 = 0;
  parameter [319:0] INITVAL_04 = 0, INITVAL_05 = 0, INITVAL_06 = 0, INITVAL_07 = 0;
  parameter [319:0] INITVAL_08 = 0, INITVAL_09 = 0, INITVAL_0A = 0, INITVAL_0B = 0;
  parameter [319:0] INITVAL_0C = 0, INITVAL_0D = 0, INITVAL_0E = 0, INITVAL_0F = 0;
  parameter [319:0] INITVAL_10 = 0, INITVAL_11 = 0, INITVAL_12 = 0, INITVAL_13 = 0;
  parameter [319:0] INITVAL_14 = 0, INITVAL_15 = 0, INITVAL_16 = 0, INITVAL_17 = 0;
  parameter [319:0] INITVAL_18 = 0, INITVAL_19 = 0, INITVAL_1A = 0, INITVAL_1B = 0;
  parameter [319:0] INITVAL_1C = 0, INITVAL_1D = 0, INITVAL_1E = 0, INITVAL_1F = 0;
  parameter [319:0] INITVAL_20 = 0, INITVAL_21 = 0, INITVAL_22 = 0, INITVAL_23 = 0;
  parameter [319:0] INITVAL_24 = 0, INITVAL_25 = 0, INITVAL_26 = 0, INITVAL_27 = 0;
  parameter [319:0] INITVAL_28 = 0, INITVAL_29 = 0, INITVAL_2A = 0, INITVAL_2B = 0;
  parameter [319:0] INITVAL_2C = 0, INITVAL_2D = 0, INITVAL_2E = 0, INITVAL_2F = 0;
  parameter [319:0] INITVAL_30 = 0, INITVAL_31 = 0, INITVAL_32 = 0, INITVAL_33 = 0;
  parameter [319:0] INITVAL_34 = 0, INITVAL_35 = 0, INITVAL_36 = 0, INITVAL_37 = 0;
  parameter [319:0] INITVAL_38 = 0, INITVAL_39 = 0, INITVAL_3A = 0, INITVAL_3B = 0;
  parameter [319:0] INITVAL_3C = 0, INITVAL_3D = 0, INITVAL_3E = 0, INITVAL_3F = 0;

  localparam PDP = DATA_WIDTH_A == 36;

  wire [17:0] dia = {DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9,
                     DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0};
  wire [17:0] dib = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9,
                     DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0};
  wire [13:0] ada = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2,
                     ADA1, ADA0};
  wire [13:0] adb = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2,
                     ADB1, ADB0};

  reg [319:0] rows[0:63];
  initial begin
    rows[0] = INITVAL_00; rows[1] = INITVAL_01; rows[2] = INITVAL_02; rows[3] = INITVAL_03;
    rows[4] = INITVAL_04; rows[5] = INITVAL_05; rows[6] = INITVAL_06; rows[7] = INITVAL_07;
    rows[8] = INITVAL_08; rows[9] = INITVAL_09; rows[10] = INITVAL_0A; rows[11] = INITVAL_0B;
    rows[12] = INITVAL_0C; rows[13] = INITVAL_0D; rows[14] = INITVAL_0E; rows[15] = INITVAL_0F;
    rows[16] = INITVAL_10; rows[17] = INITVAL_11; rows[18] = INITVAL_12; rows[19] = INITVAL_13;
    rows[20] = INITVAL_14; rows[21] = INITVAL_15; rows[22] = INITVAL_16; rows[23] = INITVAL_17;
    rows[24] = INITVAL_18; rows[25] = INITVAL_19; rows[26] = INITVAL_1A; rows[27] = INITVAL_1B;
    rows[28] = INITVAL_1C; rows[29] = INITVAL_1D; rows[30] = INITVAL_1E; rows[31] = INITVAL_1F;
    rows[32] = INITVAL_20; rows[33] = INITVAL_21; rows[34] = INITVAL_22; rows[35] = INITVAL_23;
    rows[36] = INITVAL_24; rows[37] = INITVAL_25; rows[38] = INITVAL_26; rows[39] = INITVAL_27;
    rows[40] = INITVAL_28; rows[41] = INITVAL_29; rows[42] = INITVAL_2A; rows[43] = INITVAL_2B;
    rows[44] = INITVAL_2C; rows[45] = INITVAL_2D; rows[46] = INITVAL_2E; rows[47] = INITVAL_2F;
    rows[48] = INITVAL_30; rows[49] = INITVAL_31; rows[50] = INITVAL_32; rows[51] = INITVAL_33;
    rows[52] = INITVAL_34; rows[53] = INITVAL_35; rows[54] = INITVAL_36; rows[55] = INITVAL_37;
    rows[56] = INITVAL_38; rows[57] = INITVAL_39; rows[58] = INITVAL_3A; rows[59] = INITVAL_3B;
    rows[60] = INITVAL_3C; rows[61] = INITVAL_3D; rows[62] = INITVAL_3E; rows[63] = INITVAL_3F;
  end

  // What a port of some width sees of a row: from the bit at which it starts.
  function [8:0] start(input [13:0] address, input integer width);
    case (width)
      1: start = 20 * address[7:4] + 9 * address[3] + address[2:0];
      2: start = 20 * address[7:4] + 9 * address[3] + 2 * address[2:1];
      4: start = 20 * address[7:4] + 9 * address[3] + 4 * address[2];
      9: start = 20 * address[7:4] + 9 * address[3];
      18: start = 20 * address[7:4];
      default: start = 40 * address[7:5];
    endcase
  endfunction

  function [39:0] mask(input [13:0] address, input integer width);
    case (width)
      18: mask = {{9{address[1]}}, {9{address[0]}}};
      36: mask = {{9{address[3]}}, {9{address[2]}}, 2'b00, {9{address[1]}}, {9{address[0]}}};
      default: mask = (40'd1 << width) - 40'd1;
    endcase
  endfunction

  wire [39:0] datum = PDP ? {2'b00, dib, 2'b00, dia} : {22'd0, dia};
  wire write = CEA & (PDP | WEA);
  wire [319:0] written = {280'd0, mask(ada, DATA_WIDTH_A)} << start(ada, DATA_WIDTH_A);
  wire [319:0] row_a = rows[ada[13:8]];
  wire [319:0] row_b = rows[adb[13:8]];
  wire [319:0] next_a = (row_a & ~written) | (({280'd0, datum} << start(ada, DATA_WIDTH_A)) & written);
  always @(posedge CLKA) if (write) rows[ada[13:8]] <= next_a;

  wire [39:0] read_a = (WRITEMODE_A == "WRITETHROUGH" && write ? next_a : row_a)
                       >> start(ada, DATA_WIDTH_A);
  wire [39:0] read_b = row_b >> start(adb, DATA_WIDTH_B);

  wire clock_a = PDP ? CLKB : CLKA;
  reg [17:0] out_a = 0, out_b = 0, last_a = 0, last_b = 0;
  always @(posedge clock_a)
    if (PDP ? CEB : CEA & ~(WEA && WRITEMODE_A == "NORMAL"))
      out_a <= PDP ? read_b[17:0] : read_a[17:0];
  always @(posedge CLKB)
    if (CEB) out_b <= PDP && DATA_WIDTH_B == 36 ? read_b[37:20] : read_b[17:0];
  // The output register of half A may take either half's enable: both must be there.
  wire enable_a = OCEA ^ (OCEAMUX == "INV");
  wire enable_b = OCEB ^ (OCEBMUX == "INV");
  always @(posedge clock_a) if (enable_a && (!PDP || enable_b)) last_a <= out_a;
  always @(posedge CLKB) if (enable_b) last_b <= out_b;

  assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9,
          DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0} = REGMODE_A == "OUTREG" ? last_a : out_a;
  assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9,
          DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0} = REGMODE_B == "OUTREG" ? last_b : out_b;
endmodule

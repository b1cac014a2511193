/* Stands for a function's program in its archive, and starts the one that was built: 50 MB, which would be packed and
   unpacked hundreds of times. */
#include <unistd.h>

int main(int count, char **arguments) {
    (void)count;
    execv(PROGRAM, arguments);
    return 127;
}
